import { expect, it } from 'vitest';
import { frameOf } from './devices';

it('shows a device as large as the room lets it, and never larger than it is', () => {
  expect(frameOf('full', { width: 600, height: 700 })).toBeNull();
  expect(frameOf('phone', { width: 2000, height: 2000 })).toEqual({ width: 390, height: 844, scale: 1 });
  const laptop = frameOf('laptop', { width: 664, height: 2000 });
  expect(laptop?.scale).toBe(0.5);
  expect(laptop && laptop.height * laptop.scale).toBeLessThan(2000);
  expect(frameOf('tablet', { width: 0, height: 0 })?.scale).toBeGreaterThan(0);
});
