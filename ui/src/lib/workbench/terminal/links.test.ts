import { describe, expect, it } from 'vitest';
import { addressesIn, safeAddress } from './links';

const found = (text: string) => addressesIn(text).map(({ address }) => address);

describe('addresses in output', () => {
  it('end where they end', () => {
    expect(found('  ➜  Local:   http://localhost:5173/')).toEqual(['http://localhost:5173/']);
    expect(found('see https://example.org/a(b)c?x=1#y.')).toEqual(['https://example.org/a(b)c?x=1#y']);
    expect(found('(https://example.org/a)')).toEqual(['https://example.org/a']);
    expect(found('"https://example.org", <http://b.example>')).toEqual([
      'https://example.org',
      'http://b.example',
    ]);
  });

  it('are only those of the web', () => {
    expect(found('file:///etc/passwd javascript:alert(1) ftp://a.example http:// https://')).toEqual([]);
    expect(safeAddress('javascript:alert(1)')).toBeNull();
    expect(safeAddress('file:///etc/passwd')).toBeNull();
    expect(safeAddress('berth://review')).toBeNull();
    expect(safeAddress('HTTPS://Example.org')).toBe('https://example.org/');
    // Letters that look like others are told apart.
    expect(safeAddress('https://ex\u0430mple.org/\u202Etxt')).toBe('https://xn--exmple-4nf.org/%E2%80%AEtxt');
  });
});
