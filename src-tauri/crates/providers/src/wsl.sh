# What `wsl.rs` has done inside the WSL distribution: sh -c THIS sh VERB ARGUMENTS…
# A sandbox's folder has home, etc (its own files of /etc), run (its socket; what it writes there is not believed), lock
# (held by its sandboxd; bound as a file, so that it stays one), pid (its first process), network, log, pasta.pid.
set -u
umask 077
cd /
verb=$1 id=${2:-}
root=${XDG_DATA_HOME:-$HOME/.local/share}/berth
box=$root/sandboxes/$id

fail() {
    printf '%s\n' "$1" >&2
    exit "${2:-1}"
}

# One thing at a time is done to a sandbox, whoever asks.
turn() {
    mkdir -p "$box" && exec 9< "$box" && flock 9 || fail "The folder $box cannot be used."
}

held() {
    [ -e "$box/lock" ] && ! flock -n "$box/lock" true
}

# Whether it is over within so many tenths of a second.
over() {
    left=$1
    while held; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
}

# The first process ends all others. Its number is its own for as long as the lock is held.
end() {
    if held; then
        pid=$(cat "$box/pid") || fail "It is not known which process is its first."
        kill -TERM "$pid"
        over 30 || { kill -KILL "$pid" && over 300; } || fail "Its processes do not end."
    fi
    if daemon=$(cat "$box/pasta.pid" 2> /dev/null) &&
        tr '\0' '\n' 2> /dev/null < "/proc/$daemon/cmdline" | grep -Fqx -e "$box/pasta.pid"; then
        kill "$daemon"
    fi
    rm -f "$box/pasta.pid"
}

# A tool may have left folders that even their owner may not write to.
remove() {
    [ ! -e "$1" ] || rm -rf "$1" 2> /dev/null || { chmod -R u+rwx "$1" 2> /dev/null; rm -rf "$1"; }
}

lay_out() {
    rm -rf "$box/run" "$box/home.new"
    mkdir -p "$box/run" "$box/etc" || return
    : >> "$box/lock"
    if [ ! -d "$box/home" ]; then
        # Aside, since half a home must not pass for one.
        mkdir "$box/home.new"
        cp -R /etc/skel/. "$box/home.new" 2> /dev/null
        mv "$box/home.new" "$box/home" || return
    fi
    printf '%s\n' root:x:0:0:root:/root:/usr/sbin/nologin "dev:x:1000:1000:dev:/home/dev:$shell" \
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin > "$box/etc/passwd"
    printf '%s\n' root:x:0: dev:x:1000: nogroup:x:65534: > "$box/etc/group"
    printf '%s\n' "$1" > "$box/etc/hostname"
    printf '%s\n' '127.0.0.1 localhost' '::1 localhost ip6-localhost' "127.0.1.1 $1" > "$box/etc/hosts"
    case $2 in
        full) echo 'nameserver 169.254.1.53' ;;
        host) cat /etc/resolv.conf ;;
    esac > "$box/etc/resolv.conf"
}

# Reads what bubblewrap and sandboxd say; writes the first process down before that gets its settings.
attend() {
    monitor='' pid=''
    while read -r line; do
        case $line in
            ready) echo ready && exit ;;
            "monitor "*) monitor=${line#monitor } ;;
            *child-pid*) pid=$(printf %s "$line" | tr -dc 0-9) ;;
            *) continue ;;
        esac
        [ "$monitor" ] && [ "$pid" ] || continue
        echo "$pid" > "$box/pid" && echo "$1" > "$box/network"
        if [ "$1" = full ] && ! network > /dev/null 2> "$box/pasta.log" < /dev/null 6<&- 9<&-; then
            kill -KILL "$pid"
            fail "pasta failed: $(tail -n 1 "$box/pasta.log")" 3
        fi
        echo "launched $shell"
    done
    fail "$(tail -c 2000 "$box/log")"
}

# Nothing is forwarded from the distribution's ports or to them, and no address stands for it.
network() {
    guest=''
    pasta --help 2>&1 | grep -q map-guest-addr && guest='--map-guest-addr none'
    # shellcheck disable=SC2086 # two words or none
    pasta --quiet --config-net --no-map-gw --dns-forward 169.254.1.53 -t none -u none -T none -U none $guest \
        --pid "$box/pasta.pid" "$monitor"
}

case $verb in
    check)
        for program in bwrap flock setsid unshare pasta; do
            command -v "$program" > /dev/null || echo "$program"
        done
        said=$(bwrap --unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --cap-drop ALL --clearenv \
            --ro-bind / / --proc /proc --dev /dev --perms 1777 --tmpfs /tmp /bin/sh -c : 2>&1) ||
            echo "namespaces $(echo "$said" | tr '\n' ' ')"
        [ "$(readlink "$root/bin/sandboxd")" = "$2" ] || echo sandboxd
        ;;
    install)
        mkdir -p "$root/bin" && cat > "$root/bin/new.$$" && chmod 755 "$root/bin/new.$$" || fail 'It was not written.'
        [ "$(wc -c < "$root/bin/new.$$")" -eq "$3" ] || fail 'It was cut short.'
        # Those that run keep theirs.
        rm -f "$root"/bin/sandboxd*
        mv "$root/bin/new.$$" "$root/bin/$2" && ln -s "$2" "$root/bin/sandboxd"
        ;;
    start)
        turn
        end
        shell=/bin/bash
        [ -x "$shell" ] || shell=/bin/sh
        lay_out "$3" "$4" || fail "The folder $box cannot be used."
        network=$4
        set -- bwrap --unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --uid 1000 \
            --gid 1000 --hostname "$3" --clearenv --new-session --as-pid-1 --cap-drop ALL --info-fd 3 \
            --proc /proc --dev /dev --perms 1777 --tmpfs /dev/shm --remount-ro /dev --perms 1777 --tmpfs /tmp \
            --perms 0755 --tmpfs /run --dir /var --symlink /tmp /var/tmp --symlink /run /var/run --ro-bind /usr /usr
        for top in /bin /sbin /lib /lib32 /lib64 /libx32; do
            if [ -L "$top" ]; then
                set -- "$@" --symlink "$(readlink "$top")" "$top"
            elif [ -d "$top" ]; then
                set -- "$@" --ro-bind "$top" "$top"
            fi
        done
        # In one of its own a sandbox would hold capabilities, and with them most of the kernel's past holes.
        ! bwrap --help | grep -q disable-userns || set -- "$@" --disable-userns
        # Drivers and programs of Windows, mounted there.
        [ ! -d /usr/lib/wsl ] || set -- "$@" --tmpfs /usr/lib/wsl --remount-ro /usr/lib/wsl
        for name in alternatives ca-certificates debian_version ld.so.cache ld.so.conf ld.so.conf.d localtime \
            mime.types nsswitch.conf os-release pki/ca-trust/extracted pki/tls/certs protocols services \
            ssl/certs ssl/openssl.cnf terminfo; do
            [ ! -e "/etc/$name" ] || set -- "$@" --ro-bind "/etc/$name" "/etc/$name"
        done
        for name in passwd group hostname hosts resolv.conf; do
            set -- "$@" --ro-bind "$box/etc/$name" "/etc/$name"
        done
        set -- "$@" --ro-bind "$root/bin/sandboxd" /run/sandboxd --bind "$box/run" /run/berth \
            --bind "$box/lock" /run/berth.lock --bind "$box/home" /home/dev --remount-ro / --chdir /home/dev --
        # The kernel counts tasks in the sandbox's namespace by themselves; sandboxd ends it at fewer.
        [ ! -x /usr/bin/prlimit ] || set -- "$@" /usr/bin/prlimit --nproc=5184:5184 --
        [ "$network" = host ] || set -- unshare --user --map-current-user --net -- "$@"
        umask 022
        exec 6<&0
        {
            cat <&6 9<&- | setsid "$@" /run/sandboxd 3>&1 2> "$box/log" 6<&- 9<&- &
            echo "monitor $!"
        } | attend "$network"
        ;;
    find)
        if held; then
            echo "running $(cat "$box/network")"
        elif [ -d "$box" ]; then
            echo asleep
        else
            echo gone
        fi
        ;;
    sleep)
        [ ! -d "$box" ] || { turn && end; }
        ;;
    destroy)
        [ -d "$box" ] || exit 0
        turn
        end
        remove "$root/sandboxes/.doomed-$id"
        mv "$box" "$root/sandboxes/.doomed-$id" && remove "$root/sandboxes/.doomed-$id"
        ;;
    list)
        cd "$root/sandboxes" 2> /dev/null || exit 0
        for name in .doomed-*; do
            remove "$name"
        done
        ls
        ;;
    connect)
        cd "$box/run" 2> /dev/null && [ -S ssh.sock ] && [ ! -L ssh.sock ] || fail 'The sandbox does not run.'
        exec "$root/bin/sandboxd" --connect ssh.sock
        ;;
    *) fail "There is no such step: $verb" ;;
esac
