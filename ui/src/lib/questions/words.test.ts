import { describe, expect, it } from 'vitest';
import { isOther } from './words';

describe('isOther', () => {
  it('knows a machine by its name and by its address, however they are written', () => {
    expect(isOther('gpu', 'gpu', undefined)).toBe(false);
    expect(isOther('[build-box.example]:2222', 'build-box', 'ada@build-box.example:2222')).toBe(false);
    expect(isOther('build-box.example', 'my box', 'ssh://ada@Build-Box.example')).toBe(false);
    expect(isOther('[fe80::1]:2222', 'my box', 'ada@fe80::1')).toBe(false);
  });

  it('tells a jump host from the machine behind it', () => {
    expect(isOther('jump.example', 'gpu', 'ada@gpu.example')).toBe(true);
    expect(isOther('[jump.example]:2222', 'gpu', undefined)).toBe(true);
  });
});
