/** Names for channels. */
const PLACES = [
  'harbour',
  'lighthouse',
  'quay',
  'marina',
  'lagoon',
  'estuary',
  'tide',
  'reef',
  'cove',
  'pier',
  'jetty',
  'bay',
];
const LOOKS = [
  'quiet',
  'amber',
  'early',
  'north',
  'silver',
  'salt',
  'open',
  'long',
  'green',
  'misty',
  'warm',
  'still',
];

export const NAME_LIMIT = 40;

/** A name that is not taken. `pick` chooses an index below its argument. */
export function freshName(
  taken: readonly string[],
  pick = (below: number) => Math.floor(Math.random() * below),
): string {
  const base = `${LOOKS[pick(LOOKS.length)] ?? 'quiet'}-${PLACES[pick(PLACES.length)] ?? 'bay'}`;
  let name = base;
  for (let n = 2; taken.includes(name); n += 1) name = `${base}-${n}`;
  return name;
}

/** What is typed, as a channel's name may be: "My App!" becomes "my-app-". */
export function nameFrom(typed: string): string {
  return typed
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, NAME_LIMIT);
}

/** Why a name cannot be used; `null` when it can. */
export function nameProblem(name: string, taken: readonly string[]): string | null {
  if (name.replace(/-/g, '') === '') return 'Give the channel a name.';
  if (name.endsWith('-')) return 'A name ends with a letter or a digit.';
  if (taken.includes(name)) return `There is a channel named ${name} already.`;
  return null;
}

/** Why an address cannot be cloned; `null` when it can be tried. */
export function gitUrlProblem(url: string): string | null {
  const trimmed = url.trim();
  if (trimmed === '') return 'Paste the address of a repository.';
  if (/^(https?|ssh|git):\/\/[^\s/]+\/\S+$/.test(trimmed) || /^[\w.-]+@[\w.-]+:\S+$/.test(trimmed))
    return null;
  return 'That is no address Git can clone. It looks like https://github.com/owner/name.git or git@host:owner/name.git.';
}

/** A channel name from a repository's address. */
export function nameFromGitUrl(url: string): string {
  const last = url.trim().replace(/\/+$/, '').split(/[/:]/).at(-1) ?? '';
  return nameFrom(last.replace(/\.git$/, '')).replace(/-$/, '');
}
