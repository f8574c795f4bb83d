import { describe, expect, it } from 'vitest';
import { addressProblem, freshMachineName, nameFromAddress, suggest } from './address';

describe('addressProblem', () => {
  it('takes what may be an address, and a name', () => {
    for (const address of ['build-box', 'ada@10.0.0.7:2222', 'ssh://ada@h:22', '[::1]:22', 'fe80::1'])
      expect(addressProblem(address)).toBeNull();
  });

  it('says what is missing', () => {
    expect(addressProblem('  ')).toContain('reached');
    expect(addressProblem('ssh ada@box')).toContain('no spaces');
    expect(addressProblem('box:70000')).toContain('65535');
  });
});

describe('nameFromAddress', () => {
  it('is the host’s first name', () => {
    expect(nameFromAddress('ada@build-box.example.org:2222')).toBe('build-box');
    expect(nameFromAddress('ssh://gpu')).toBe('gpu');
    expect(nameFromAddress('root@10.0.0.7')).toBe('10.0.0.7');
  });
});

describe('freshMachineName', () => {
  it('is nobody else’s', () => {
    const typed = 'ada@box.example:22';
    expect(freshMachineName(typed, ['other'])).toBe('box');
    expect(freshMachineName(typed, ['box'])).toBe('ada@box');
    expect(freshMachineName(typed, ['box', 'ada@box', 'box-2'])).toBe('box-3');
    expect(freshMachineName('box', ['box'])).toBe('box-2');
  });
});

describe('suggest', () => {
  it('offers what goes on as typed, what begins so first', () => {
    const hosts = ['old-gpu', 'build', 'gpu', 'gpu-2', 'gpu'];
    expect(suggest(hosts, '', 3)).toEqual(['old-gpu', 'build', 'gpu']);
    expect(suggest(hosts, 'gp', 9)).toEqual(['gpu', 'gpu-2', 'old-gpu']);
    expect(suggest(hosts, 'gpu', 9)).toEqual(['gpu-2', 'old-gpu']);
    expect(suggest(hosts, 'nothing', 9)).toEqual([]);
  });
});
