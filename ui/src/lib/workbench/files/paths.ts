/** Absolute paths in a sandbox, as text. `/` alone has no name and is its own parent. */

export function join(folder: string, name: string): string {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether `path` is `folder` or below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** The names from `folder` down to `path`; of a path elsewhere all its names, after a `/`. */
export function namesFrom(folder: string, path: string): string[] {
  if (path === folder) return [];
  if (!isWithin(path, folder)) return ['/', ...path.split('/').filter(Boolean)];
  return path.slice(folder.length).split('/').filter(Boolean);
}

/** The folders between `root` and `path`, without both, outermost first. */
export function foldersBetween(root: string, path: string): string[] {
  const folders: string[] = [];
  for (let folder = parentOf(path); folder !== root && isWithin(folder, root); folder = parentOf(folder)) {
    folders.unshift(folder);
  }
  return folders;
}

/** `path` after `from` was moved to `to`; `null` where that does not touch it. */
export function moved(path: string, from: string, to: string): string | null {
  return isWithin(path, from) ? to + path.slice(from.length) : null;
}
