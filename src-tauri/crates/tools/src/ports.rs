//! Ports on which something listens.

use std::collections::BTreeMap;

use crate::{Reply, Script, ShellScript, Tool, ToolError, path, reply::Fields};

/// Lists the TCP ports on which something in the sandbox listens. Cheap enough to be asked every second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports {
    /// Ports that are ours and not to be told.
    pub ignore: Vec<u16>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Whether it answers on 127.0.0.1 or ::1 (by itself or as one of all addresses), and not only on another address.
    pub loopback: bool,
    /// The process that listens, where it can be told.
    pub pid: Option<u32>,
    /// Its program: "node", "python3".
    pub process: Option<String>,
    /// The session it belongs to: the `pid` of the job that started it.
    pub session: Option<u32>,
}

/// To find the end of /proc/net/tcp the kernel looks through all it keeps for connections, which takes milliseconds. So
/// the end is never looked for: sockets that listen come first, and sockstat says how many sockets there are at all.
/// Processes are looked at only when something listens. One `ls` shows every descriptor that may be seen; which socket
/// is whose stands in where its link leads.
const PORTS: &str = r#"n= m= w=' '
{
while read -r x y z; do
[ "$x" != TCP: ] || n=${z%% *}
done </proc/net/sockstat
while read -r x y z; do
[ "$x" != TCP6: ] || m=${z%% *}
done </proc/net/sockstat6
} 2>/dev/null
listening() {
i=0
while [ -z "$2" ] || [ "$i" -lt "$2" ]; do
read -r x l r s a b c u t o z || break
[ "$x" != sl ] || continue
[ "$s" = 0A ] || break
i=$((i + 1))
case $skip in
*" ${l##*:} "*) continue;;
esac
w="$w$o "
printf '%s %s\0' "$l" "$o"
done <"$1" 2>/dev/null
}
listening /proc/net/tcp "$n"
listening /proc/net/tcp6 "$m"
[ "$w" != ' ' ] || exit 0
printf '\0'
ls -ln /proc/[0-9]*/fd 2>/dev/null | awk -v w="$w" '
/^\/proc\/[0-9]+\/fd:$/ { split($0, a, "/"); p = a[3] }
/ -> socket:\[[0-9]+\]$/ { i = $NF; gsub(/[^0-9]/, "", i); if (index(w, " " i " ")) print p, i }' | while read -r p i; do
s= c= e=
{ read -r s </proc/"$p"/stat; read -r c </proc/"$p"/comm; } 2>/dev/null
[ "$c" != MainThread ] || e=$(readlink /proc/"$p"/exe)
printf '%s\0' "$p $i" "$s" "$c" "$e"
done
exit 0
"#;

impl Tool for Ports {
    type Output = Vec<Port>;

    fn script(&self) -> Result<Script, ToolError> {
        let skip: String = self.ignore.iter().map(|port| format!(" {port:04X} ")).collect();
        let mut script = ShellScript::new();
        script.set("skip", skip.as_bytes()).raw(PORTS);
        script.finish(1 << 20, true)
    }

    /// Ports by number. One on which several processes listen is told once, with the process that was seen first.
    fn parse(&self, reply: &Reply<'_>) -> Result<Vec<Port>, ToolError> {
        let mut fields = reply.fields("the list of ports")?;
        let mut listening = Vec::new();
        while !fields.is_empty() {
            match fields.text()? {
                "" => break,
                line => listening.push(socket(line)?),
            }
        }
        let mut owners = BTreeMap::new();
        while !fields.is_empty() {
            let (inode, owner) = owner(&mut fields)?;
            owners.entry(inode).or_insert(owner);
        }
        let mut ports = BTreeMap::<u16, Port>::new();
        for (port, loopback, inode) in listening.into_iter().filter(|(port, ..)| !self.ignore.contains(port)) {
            let (pid, process, session) = owners.get(&inode).cloned().unwrap_or_default();
            let seen = ports.entry(port).or_insert(Port { port, loopback, pid, process: process.clone(), session });
            seen.loopback |= loopback;
            if seen.pid.is_none() {
                (seen.pid, seen.process, seen.session) = (pid, process, session);
            }
        }
        Ok(ports.into_values().collect())
    }
}

/// Port, whether loopback reaches it, and inode of one socket: the local address as /proc/net/tcp has it, four bytes at
/// a time in the machine's order, and the inode.
fn socket(line: &str) -> Result<(u16, bool, u64), ToolError> {
    let garbled = || ToolError::garbled("a socket is not described as one");
    let (local, inode) = line.split_once(' ').ok_or_else(garbled)?;
    let (address, port) = local.split_once(':').ok_or_else(garbled)?;
    let port = u16::from_str_radix(port, 16).map_err(|_| garbled())?;
    let address = u128::from_str_radix(address, 16).map_err(|_| garbled())?.to_be_bytes();
    let inode = inode.parse().map_err(|_| garbled())?;
    let any = address.iter().all(|byte| *byte == 0);
    // 127.0.0.1 and ::1, in either order of a machine word. Another address of that network is not where one looks: in a
    // sandbox without a network of its own, the way out listens on one.
    let last = [address[12], address[13], address[14], address[15]];
    let zeros = address[..12].iter().all(|byte| *byte == 0);
    let mapped = address[..8].iter().all(|byte| *byte == 0) && [address[8], address[11]] != [0, 0];
    let loopback = any
        || ((zeros || mapped) && matches!(last, [127, 0, 0, 1] | [1, 0, 0, 127]))
        || (zeros && matches!(last, [1, 0, 0, 0] | [0, 0, 0, 1]));
    Ok((port, loopback, inode))
}

type Owner = (Option<u32>, Option<String>, Option<u32>);

/// The inode and the process that holds it.
fn owner(fields: &mut Fields<'_>) -> Result<(u64, Owner), ToolError> {
    let garbled = || ToolError::garbled("a process is not described as one");
    let (pid, inode) = fields.text()?.split_once(' ').ok_or_else(garbled)?;
    let (pid, inode) = (pid.parse().map_err(|_| garbled())?, inode.parse().map_err(|_| garbled())?);
    let (stat, name, program) = (fields.next()?, fields.next()?, fields.next()?);
    // A process names itself; what stands after the last parenthesis is the kernel's.
    let after = stat.iter().rposition(|byte| *byte == b')').map_or(&[][..], |at| &stat[at + 1..]);
    let session = String::from_utf8_lossy(after).split_ascii_whitespace().nth(3).and_then(|word| word.parse().ok());
    let program = program.rsplit(|byte| *byte == b'/').next().filter(|program| !program.is_empty());
    let name = program.unwrap_or(name);
    let process = (!name.is_empty()).then(|| path::display(&path::to_wire(name)));
    Ok((inode, (Some(pid), process, session)))
}
