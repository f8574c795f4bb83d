/** How a machine is reached, as a person types it. */

/** Why an address cannot be used; `null` when it can be tried. The engine has the last word. */
export function addressProblem(typed: string): string | null {
  const address = typed.trim();
  if (address === '') return 'Say how the machine is reached.';
  if (/\s/.test(address)) return 'An address has no spaces. It looks like ada@build-box.example:22.';
  const port = /:(\d+)$/.exec(address)?.[1];
  // An IPv6 address ends with digits after a colon too.
  if (port && address.split(':').length === 2 && (Number(port) < 1 || Number(port) > 65_535))
    return 'A port is a number from 1 to 65535.';
  return null;
}

/** A machine's name from its address: "ada@build-box.example:2222" is build-box. */
export function nameFromAddress(typed: string): string {
  const host = typed
    .trim()
    .replace(/^ssh:\/\//, '')
    .replace(/^.*@/, '')
    .replace(/:\d+$/, '');
  // The first number of an IP address says nothing.
  return /^[\d.]+$/.test(host) || host.includes(':') ? host : (host.split('.')[0] ?? host);
}

/** A name that no other machine has: a second account of a host is told by its user, anything else by a number. */
export function freshMachineName(typed: string, taken: readonly string[]): string {
  const name = nameFromAddress(typed);
  const user = /^(?:ssh:\/\/)?([^@\s]+)@/.exec(typed.trim())?.[1];
  const names = [name, ...(user ? [`${user}@${name}`] : [])];
  const free = names.find((tried) => !taken.includes(tried));
  if (free !== undefined) return free;
  let number = 2;
  while (taken.includes(`${name}-${number}`)) number += 1;
  return `${name}-${number}`;
}

/** Hosts that go on as typed, those that begin so first. */
export function suggest(hosts: readonly string[], typed: string, limit: number): string[] {
  const wanted = typed.trim().toLowerCase();
  const rest = [...new Set(hosts)].filter(
    (host) => host.toLowerCase() !== wanted && host.toLowerCase().includes(wanted),
  );
  const begins = (host: string) => (host.toLowerCase().startsWith(wanted) ? 0 : 1);
  return rest.sort((a, b) => begins(a) - begins(b)).slice(0, limit);
}
