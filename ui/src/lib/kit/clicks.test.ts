import { expect, it, vi } from 'vitest';
import { refuseBrowserMenu } from './clicks';

class FakeElement {
  constructor(readonly text: boolean) {}
  closest = () => (this.text ? this : null);
}
vi.stubGlobal('Element', FakeElement);

function isRefused(onText: boolean, selected: boolean): boolean {
  vi.stubGlobal('getSelection', () => ({ isCollapsed: !selected }));
  const event = { target: new FakeElement(onText) as unknown as Element, preventDefault: vi.fn() };
  refuseBrowserMenu(event);
  return event.preventDefault.mock.calls.length > 0;
}

it('lets nobody reload the window by the right mouse button', () => {
  expect(isRefused(false, false)).toBe(true);
});

it('leaves what copies and pastes text', () => {
  expect(isRefused(true, false)).toBe(false);
  expect(isRefused(false, true)).toBe(false);
});
