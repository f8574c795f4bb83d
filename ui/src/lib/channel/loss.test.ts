import { expect, it } from 'vitest';
import { lossWords } from './loss';

it('names all that would be lost', () => {
  expect(lossWords({ uncommitted: 3, unpushed: 1, running_jobs: 2 })).toEqual([
    '3 files with changes that were not committed.',
    '1 commit that no remote has.',
    '2 jobs still running.',
  ]);
});

it('says that files outside Git exist only here', () => {
  expect(lossWords({ uncommitted: null, unpushed: null, running_jobs: 0 })).toEqual([
    'Its files are not in a Git repository: they exist only here.',
  ]);
});

it('says when nothing would be lost', () => {
  expect(lossWords({ uncommitted: 0, unpushed: 0, running_jobs: 0 })).toHaveLength(1);
});

it('loses no file that stays on a machine', () => {
  expect(lossWords({ uncommitted: 3, unpushed: 1, running_jobs: 1 }, true)).toEqual(['1 job still running.']);
  expect(lossWords({ uncommitted: null, unpushed: null, running_jobs: 0 }, true)).toEqual(['No job runs.']);
});
