//! What is tried from inside a sandbox and must fail. Each script ends with 0 when it got what it wanted, and with 77
//! where this computer does not have what it wants at all.

/// How it is shown that a script could have succeeded.
pub enum Control {
    /// It succeeds outside.
    Outside,
    /// It succeeds outside for root; others are refused there too.
    OutsideForRoot,
    /// It succeeds outside with these variables.
    With(&'static str),
    /// It succeeds outside for an ordinary user; root has nothing to gain.
    OutsideForPerson,
}

use Control::{Outside, OutsideForPerson, OutsideForRoot, With};

pub struct Attempt {
    pub what: &'static str,
    pub script: &'static str,
    pub control: Control,
}

const fn attempt(what: &'static str, control: Control, script: &'static str) -> Attempt {
    Attempt { what, script, control }
}

// Variables: PERSON home, RUNTIME folder, OTHER_PORT that another sandbox serves, DATA and RUN folders of the app, OWN and OTHER sandbox's id, AGENT, BUS, XSOCKET and ENGINE
// sockets, ABSTRACT socket's name, PORT on loopback, VICTIM process and the halves MARK_A, MARK_B of its argument,
// SHM segment, NS that ends a script where AppArmor gives user namespaces to chosen programs only, TARGET of writes (set by each), SEEN, a Python that looks for a process by its argument, and U, one that connects to a Unix socket.
pub const ATTEMPTS: &[Attempt] = &[
    // The person's files.
    attempt("read an SSH key", Outside, "cat \"$PERSON/.ssh/id_ed25519\" | grep PRIVATE"),
    attempt("list the person's home", Outside, "ls -A \"$PERSON\" | grep -q '^.npmrc$'"),
    attempt("read npm's token", Outside, "grep token \"$PERSON/.npmrc\""),
    attempt(
        "read npm's token among a version's programs",
        Outside,
        "grep token \"$PERSON/.nvm/versions/node/v99.0.0/etc/npmrc\"",
    ),
    attempt("read cargo's token beside its programs", Outside, "grep token \"$PERSON/.cargo/credentials.toml\""),
    attempt(
        "read uv's credentials beside its pythons",
        Outside,
        "grep token \"$PERSON/.local/share/uv/credentials/c\"",
    ),
    attempt("read configuration", Outside, "grep token \"$PERSON/.config/gh/hosts.yml\""),
    attempt("write to a tool manager", Outside, "touch \"$PERSON/.nvm/versions/node/v99.0.0/bin/probe\""),
    // The app and other sandboxes.
    attempt("read another sandbox's home", Outside, "cat \"$DATA/sandboxes/$OTHER/home/secret\""),
    attempt("read the app's key", Outside, "grep PRIVATE \"$DATA/ssh/id_ed25519\""),
    attempt("read its own host key", Outside, "grep PRIVATE \"$DATA/sandboxes/$OWN/host_key\""),
    attempt("see the app's folders", Outside, "ls \"$DATA\" \"$RUN\""),
    attempt("reach another sandbox's socket", Outside, "$U \"$RUN/sb/$OTHER/ssh.sock\""),
    attempt("reach the engine's socket", Outside, "$U \"$ENGINE\""),
    // The session.
    attempt("reach the SSH agent", Outside, "$U \"$AGENT\""),
    attempt("reach D-Bus", Outside, "$U \"$BUS\""),
    attempt("reach the display's socket", Outside, "$U \"$XSOCKET\""),
    attempt("reach an abstract socket", Outside, "$U \"@$ABSTRACT\""),
    attempt(
        "read the app's environment",
        Outside,
        "cat /proc/self/environ /proc/1/environ 2>/dev/null | tr '\\0' '\\n' | grep -q '^BERTH_TEST_SECRET='",
    ),
    attempt("reach a port of this computer's loopback", Outside, "exec 5<>/dev/tcp/127.0.0.1/$PORT"),
    attempt("reach a port by another loopback address", Outside, "exec 5<>/dev/tcp/127.0.0.2/$PORT"),
    attempt(
        "use a socket past every network namespace",
        Outside,
        "$PY 'import socket,errno\ntry: socket.socket(40, socket.SOCK_STREAM)\nexcept OSError as e: exit(77 if e.errno == errno.EAFNOSUPPORT else 1)'",
    ),
    attempt("reach the display's abstract socket", Outside, "$U \"@$XSOCKET\""),
    attempt("reach Wayland", Outside, "$U \"$RUNTIME/wayland-0\""),
    attempt("reach Docker", Outside, "$U \"$RUNTIME/docker.sock\""),
    attempt("see the runtime folder", Outside, "ls \"$RUNTIME\""),
    attempt("use a descriptor that the app has open", Outside, "ls -l /proc/self/fd | grep -q planted"),
    attempt("reach another sandbox's port", With("PEER=$PORT"), "exec 5<>/dev/tcp/127.0.0.1/${PEER-$OTHER_PORT}"),
    // Processes.
    attempt("see another sandbox's process", Outside, "$PY \"$SEEN\" \"$MARK_A\" \"$OTHER\""),
    attempt("see a process of this computer", Outside, "$PY \"$SEEN\" \"$MARK_A\" \"$MARK_B\""),
    attempt("signal a process of this computer", Outside, "kill -CONT $VICTIM"),
    attempt(
        "read a process's environment",
        Outside,
        "tr '\\0' '\\n' < /proc/$VICTIM/environ | grep -q BERTH_TEST_SECRET",
    ),
    attempt(
        "trace a process",
        OutsideForRoot,
        "$PY 'import ctypes,os; l=ctypes.CDLL(None,use_errno=True); p=int(os.environ[\"VICTIM\"]); r=l.ptrace(0x4206,p,0,0); exit(r!=0)'",
    ),
    attempt("read the first process's memory", With("TARGET=/proc/self"), "exec 5< \"${TARGET-/proc/1}/mem\""),
    attempt(
        "follow the first process's descriptors out",
        With("TARGET=/proc/self"),
        "ls -l \"${TARGET-/proc/1}/fd\" | grep -q -- '->'",
    ),
    attempt("read the first process's environment", With("TARGET=/proc/self"), "cat \"${TARGET-/proc/1}/environ\""),
    attempt(
        "trace the first process",
        With("export CHILD=yes"),
        "$PY 'import ctypes,os,subprocess as s; l=ctypes.CDLL(None); c=s.Popen([\"sleep\",\"9\"]); p=c.pid if \"CHILD\" in os.environ else 1; r=l.ptrace(0x4206,p,0,0); c.kill(); exit(r!=0)'",
    ),
    attempt("see shared memory of this computer", Outside, "test -n \"$SHM\" && ipcs -m | grep -q \" $SHM \""),
    // The system.
    attempt("write to /usr", With("TARGET=$TEMP"), ": ${TARGET:=/usr}; echo x > \"$TARGET/probe\""),
    attempt("write to a program's folder", With("TARGET=$TEMP"), ": ${TARGET:=/usr/bin}; echo x > \"$TARGET/probe\""),
    attempt("write to /etc", With("TARGET=$TEMP"), ": ${TARGET:=/etc}; echo x > \"$TARGET/probe\""),
    attempt(
        "write to /etc/passwd",
        With("TARGET=$TEMP/passwd"),
        ": ${TARGET:=/etc/passwd}; echo x:x:0:0::/:/bin/sh >> \"$TARGET\"",
    ),
    attempt("write to the root folder", With("TARGET=$TEMP"), "echo x > \"${TARGET-/}/probe\""),
    attempt("write to /dev", With("TARGET=$TEMP"), "echo x > \"${TARGET-/dev}/probe\""),
    attempt("write to /opt", With("TARGET=$TEMP"), "echo x > \"${TARGET-/opt}/probe\""),
    attempt(
        "replace the first process's program",
        With("TARGET=$TEMP/sandboxd"),
        "echo x > \"${TARGET-/run/sandboxd}\"",
    ),
    attempt("read /etc/shadow", OutsideForRoot, "cat /etc/shadow"),
    attempt(
        "change a kernel setting",
        OutsideForRoot,
        "$PY 'import os; os.open(\"/proc/sys/kernel/core_pattern\", os.O_WRONLY)'",
    ),
    attempt(
        "use the magic system request",
        OutsideForRoot,
        "test -e /proc/sysrq-trigger || exit 77; $PY 'import os; os.open(\"/proc/sysrq-trigger\", os.O_WRONLY)'",
    ),
    attempt(
        "unload a kernel module",
        OutsideForRoot,
        "$PY 'import ctypes,errno; l=ctypes.CDLL(None,use_errno=True); l.syscall(176,b\"berth_no_such_module\",0); exit(ctypes.get_errno() not in (errno.ENOENT, errno.ENOSYS))'",
    ),
    attempt(
        "mount",
        OutsideForRoot,
        "mkdir -p \"$TEMP/mnt\" && mount -t tmpfs none \"$TEMP/mnt\" && umount \"$TEMP/mnt\"",
    ),
    attempt(
        "make a user namespace and mount in it",
        Outside,
        "$NS; mkdir -p \"$TEMP/mnt\" && unshare -Urm mount -t tmpfs none \"$TEMP/mnt\"",
    ),
    attempt(
        "make a user namespace by a call of its own",
        Outside,
        "$NS; $PY 'import ctypes; l=ctypes.CDLL(None,use_errno=True); exit(l.unshare(0x10000000)!=0)'",
    ),
    attempt("make a device", OutsideForRoot, "mknod \"$TEMP/null\" c 1 3"),
    attempt(
        "open a device of the computer",
        OutsideForRoot,
        "for d in /dev/kmsg /dev/mem /dev/vda /dev/sda /dev/nvme0n1; do $PY 'import os,sys; os.open(sys.argv[1], os.O_RDONLY)' $d 2>/dev/null && exit 0; done; exit 1",
    ),
    attempt(
        "read the kernel's log",
        OutsideForRoot,
        "$PY 'import ctypes; l=ctypes.CDLL(None); b=ctypes.create_string_buffer(64); exit(l.klogctl(3,b,64)<0)'",
    ),
    attempt("see the computer's cgroups", Outside, "ls /sys/fs/cgroup"),
    attempt(
        "reach the kernel's keyrings",
        Outside,
        "$PY 'import ctypes; l=ctypes.CDLL(None); exit(l.syscall(250,0,-3,0)<0)'",
    ),
    attempt(
        "become another user by a program with the setuid bit",
        OutsideForPerson,
        "$PY 'import subprocess,time; p=subprocess.Popen([\"su\",\"-c\",\"true\",\"root\"],stdin=subprocess.PIPE,stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL,start_new_session=True); time.sleep(0.3); u=[l.split()[1:3] for l in open(\"/proc/%d/status\"%p.pid) if l.startswith(\"Uid\")][0]; p.kill(); exit(u[0]==u[1])'",
    ),
    attempt("become another user", OutsideForRoot, "$PY 'import os; os.setuid(0); os.setuid(12345)'"),
    attempt(
        "give itself a capability by a file",
        OutsideForRoot,
        "cp /bin/true \"$TEMP/true\" && $PY 'import os; os.setxattr(os.environ[\"TEMP\"]+\"/true\",\"security.capability\",bytes.fromhex(\"0100000200200000000000000000000000000000\"))'",
    ),
];
