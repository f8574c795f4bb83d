//! Runs scripts as a session would, on machines that differ in their shell and in what is installed.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on stops, and says where it was")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use berth_tools::{Place, Reply, Script, Tool, ToolError};
use tempfile::TempDir;

/// A kind of machine: a shell called `sh`, and the programs beside it.
pub struct Machine {
    pub name: &'static str,
    bin: PathBuf,
}

/// What scripts use, where a machine has it.
const POSIX: &[&str] = &[
    "awk", "cat", "chmod", "cksum", "cmp", "cp", "cut", "date", "env", "false", "find", "grep", "head", "id", "kill",
    "ln", "ls", "mkdir", "mkfifo", "mv", "od", "printf", "ps", "readlink", "rm", "rmdir", "sed", "sleep", "sort",
    "tail", "tee", "touch", "tr", "true", "uname", "wc", "xargs",
];
const MORE: &[&str] = &["git", "setsid", "stat"];

/// All the machines that can be had here. What is missing is said, once; where CI says that all is installed, it must be.
pub fn machines() -> &'static [Machine] {
    static MACHINES: OnceLock<(TempDir, Vec<Machine>)> = OnceLock::new();
    &MACHINES.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let mut machines = Vec::new();
        let mut add = |name, shell: &str, programs: &[&[&str]]| {
            let Some(shell) = which(shell) else {
                assert!(std::env::var_os("CI").is_none(), "{shell} is not installed");
                eprintln!("no {shell} here: the machine `{name}` is left out");
                return;
            };
            let bin = root.path().join(name);
            fs::create_dir(&bin).unwrap();
            symlink(&shell, bin.join("sh")).unwrap();
            if name == "busybox" {
                let list = Command::new(&shell).arg("--list").output().unwrap().stdout;
                for applet in String::from_utf8(list).unwrap().lines().filter(|applet| *applet != "sh") {
                    symlink(&shell, bin.join(applet)).unwrap();
                }
            }
            for program in programs.concat() {
                if let Some(path) = which(program) {
                    symlink(path, bin.join(program)).unwrap();
                }
            }
            machines.push(Machine { name, bin });
        };
        add("dash", "dash", &[POSIX, MORE, &["rg"]]);
        add("bash", "bash", &[POSIX, MORE]);
        add("zsh", "zsh", &[POSIX, MORE, &["rg"]]);
        add("busybox", "busybox", &[]);
        add("posix", "sh", &[POSIX]);
        if let Some(posix) = machines.iter().find(|machine| machine.name == "posix") {
            // No GNU extension: what a wrapper refuses, a script must do without.
            for (program, refused) in [("find", "-printf"), ("grep", "-*Z*"), ("cp", "--*"), ("grep", "-*P*")] {
                let real = which(program).unwrap();
                let at = posix.bin.join(program);
                fs::remove_file(&at).unwrap();
                let text = format!(
                    "#!/bin/sh\nfor a do case $a in --) break;; {refused}|-*Z*) echo 'unknown option' >&2; exit 2;; esac; done\nexec {} \"$@\"\n",
                    real.display()
                );
                fs::write(&at, text).unwrap();
                fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        assert!(!machines.is_empty(), "not one shell");
        (root, machines)
    })
    .1
}

fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// What came back, owned.
pub struct Answer {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub exit_code: i32,
}

impl Machine {
    /// Runs a tool with this home and means what came back.
    pub fn run<T: Tool>(&self, home: &Path, tool: &T) -> Result<T::Output, ToolError> {
        let script = tool.script()?;
        let answer = self.send(home, &script);
        assert!(answer.stdout.len() <= script.reply_limit, "{}: the reply limit is too low", self.name);
        tool.parse(&Reply {
            stdout: &answer.stdout,
            stderr: &answer.stderr,
            exit_code: answer.exit_code,
            truncated: false,
        })
    }

    /// Runs a script as a session does: in a subshell, with nothing or the payload to read.
    pub fn send(&self, home: &Path, script: &Script) -> Answer {
        assert!(!script.text.contains(&0));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"(\n").unwrap();
        file.write_all(&script.text).unwrap();
        file.write_all(b"\n)\n").unwrap();
        let mut command = Command::new(self.bin.join("sh"));
        command.arg(file.path()).current_dir("/").env_clear().env("PATH", &self.bin).env("HOME", home);
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.stdin(if script.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, payload) = (child.stdin.take(), script.stdin.clone());
        let feeder = std::thread::spawn(move || {
            if let (Some(mut input), Some(payload)) = (input, payload) {
                // A script that refuses the request does not read it.
                let _ = input.write_all(&payload);
            }
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Answer { stdout: output.stdout, stderr: output.stderr, exit_code: output.status.code().unwrap_or(128) }
    }

    /// The same machine, where some programs do nothing but fail.
    pub fn without(&self, programs: &[&str]) -> Machine {
        let bin = tempfile::tempdir_in(self.bin.parent().unwrap()).unwrap().keep();
        for entry in fs::read_dir(&self.bin).unwrap() {
            let entry = entry.unwrap();
            let lacks = programs.iter().any(|program| entry.file_name() == *program);
            let target = if lacks { which("false").unwrap() } else { entry.path().canonicalize().unwrap() };
            symlink(target, bin.join(entry.file_name())).unwrap();
        }
        Machine { name: self.name, bin }
    }

    /// Whether a program is there.
    pub fn has(&self, program: &str) -> bool {
        self.bin.join(program).exists()
    }
}

/// Does `check` on every machine, with a fresh home each.
pub fn everywhere(check: impl Fn(&Machine, &Path)) {
    for machine in machines() {
        let home = tempfile::tempdir().unwrap();
        let home_path = home.path().canonicalize().unwrap();
        eprintln!("on {}", machine.name);
        check(machine, &home_path);
    }
}

/// A place seen from the home.
pub fn at(home: &Path, name: impl AsRef<OsStr>) -> Place {
    // `~` alone would be the home.
    Place::new(wire(home), format!("./{}", berth_tools::path::to_wire(name.as_ref().as_bytes())))
}

/// A path on the wire.
pub fn wire(path: &Path) -> String {
    berth_tools::path::to_wire(path.as_os_str().as_bytes())
}

/// Names that break scripts which are not careful.
pub const NASTY: &[&[u8]] = &[
    b"plain.txt",
    b"-rf",
    b"--help",
    b" lead",
    b"trail ",
    b"new\nline",
    b"trail\n",
    b"\n",
    b"\nlead",
    b"it's",
    b"\"q\"",
    b"$(id)",
    b"`id`",
    b"$HOME",
    b"~",
    b"*",
    b"?",
    b"[a]",
    b"a\\b",
    b"\\",
    b"\\n",
    b"%s",
    b"%n%d",
    b"#x",
    b"!",
    b"&",
    b";",
    b"|",
    b"{a,b}",
    b"\xff\xfe",
    b"caf\xc3\xa9",
    b"caf\xe9",
    b"\xf4\x8f\xbd\x81",
    b"\xf4\x8f\xbe\x81",
    b"\x01\x02",
    b"\x81\x82\x88",
    b"\x7f",
    b"\x1b[31mred\x1b[0m",
    b"\r",
    b"tab\t",
    b"=x",
    b"x=y",
    b"...",
    b".hidden",
    b"a:12:b",
    b"->",
    b"a -> b",
    b"x:1:\ny",
    b"(",
    b")",
    b",",
    b"0",
    b"\xe2\x80\xa8",
];

/// All that lies under a folder: path relative to it, and content (of a link: where it leads; of a folder: nothing).
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let content = if kind.is_dir() {
                folders.push(path.clone());
                None
            } else if kind.is_symlink() {
                Some(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                Some(fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), content);
        }
    }
    found
}
