/** What deleting a channel would lose, in sentences. The files on a machine of one's own stay there. */
import type { Loss } from '$lib/api';
import { count } from '$lib/kit/format';

export function lossWords({ uncommitted, unpushed, running_jobs }: Loss, filesStay = false): string[] {
  const words: string[] = [];
  if (filesStay) return [running_jobs > 0 ? `${count(running_jobs, 'job')} still running.` : 'No job runs.'];
  if (uncommitted === null) words.push('Its files are not in a Git repository: they exist only here.');
  else if (uncommitted > 0) words.push(`${count(uncommitted, 'file')} with changes that were not committed.`);
  if (unpushed !== null && unpushed > 0) words.push(`${count(unpushed, 'commit')} that no remote has.`);
  if (running_jobs > 0) words.push(`${count(running_jobs, 'job')} still running.`);
  if (words.length === 0) words.push('Everything in it was committed and pushed, and no job runs.');
  return words;
}
