//! Ending a script and all that it started.

use std::sync::Arc;
use std::time::Duration;

use russh::ChannelMsg;

use super::frame;
use super::pool::Pool;

/// How often a channel to stop a script on is asked for; OpenSSH counts a session until its last process ended.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Kindly, and after a second for good. What follows the first signal runs on in the machine by itself, so that
/// neither the connection nor a channel is needed for it. Parents first: one whose child has ended goes on with its next
/// command. `ps` where there is no /proc.
const STOP: &str = r#"all() { if [ -r /proc/self/stat ]; then
for f in /proc/[0-9]*/stat; do { read -r l <"$f"; } 2>/dev/null || continue
set -- ${l##*) }; f=${f%/stat}; echo "${f#/proc/} $2"; done
else ps -A -o pid= -o ppid=; fi; }
tree() { all 2>/dev/null | awk -v "r=$*" 'function w(p, n,i,c) { if (p in s) return; s[p]=1; print p
n=split(k[p],c," "); for(i=1;i<=n;i++) w(c[i]) }
{ k[$2]=k[$2]" "$1 } END { n=split(r,a," "); for(j=1;j<=n;j++) w(a[j]) }'; }
some() { for p in "$@"; do ! kill -0 "$p" 2>/dev/null || return 0; done; return 1; }
signal() { for p in $2; do kill "$1" "$p" 2>/dev/null; done; }
t=$(echo $(tree "$root")); t=${t:-$root}; signal -TERM "$t"
( i=0; while [ "$i" -lt 10 ] && some $t; do sleep 0.1 2>/dev/null || sleep 1; i=$((i+1)); done
! some $t || signal -KILL "$t $(echo $(tree $t))" ) </dev/null >/dev/null 2>&1 &
"#;

/// Ends a process and all that it started, over whichever connection has a channel for it.
pub(super) async fn kill_tree(pool: Arc<Pool>, root: u32) {
    let command = frame::command(format!("root={root}\n{STOP}").as_bytes());
    for _ in 0..TRIES {
        for line in pool.all() {
            let Ok(channel) = line.connection.channel().await else { continue };
            let (mut reader, writer) = channel.split();
            if pool.manner.begin(&writer, &command).await.is_ok() {
                while !matches!(reader.wait().await, Some(ChannelMsg::Close) | None) {}
                let _ = writer.close().await;
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(root, "a command could not be stopped: no channel was to be had");
}
