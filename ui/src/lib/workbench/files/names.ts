/** Names of files: what they may be, and how copies are called. */

const MAX_NAME_BYTES = 255;

/** What is wrong with a name somebody typed, in words; `null` where it is good. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'It needs a name.';
  if (name === '.' || name === '..') return `“${name}” already has a meaning.`;
  if (name.includes('/')) return 'A name holds no slash.';
  if (name.includes('\0')) return 'A name holds no NUL.';
  return new TextEncoder().encode(name).length > MAX_NAME_BYTES ? 'The name is too long.' : null;
}

/** What is wrong with a path to make, such as `src/new.ts`. */
export function newPathProblem(path: string): string | null {
  if (path.startsWith('/')) return 'It goes into this folder: no slash in front.';
  for (const name of path.split('/')) {
    const problem = nameProblem(name);
    if (problem) return path.includes('/') && name === '' ? 'A name is missing beside a slash.' : problem;
  }
  return null;
}

/** A name that is free beside others: `a.txt` → `a copy.txt`, `a copy 2.txt`. */
export function copyName(name: string, taken: (name: string) => boolean): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let n = 1; ; n += 1) {
    const candidate = `${stem} copy${n > 1 ? ` ${n}` : ''}${extension}`;
    if (!taken(candidate)) return candidate;
  }
}

/** The name of a file or folder of this computer, whichever system that has. */
export function nameHere(path: string): string {
  return path.split(path.startsWith('/') ? '/' : /[\\/]/).findLast((part) => part !== '') ?? path;
}
