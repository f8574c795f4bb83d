import { expect, it, vi } from 'vitest';
import { refuseStrayDrop, refuseStrayMenu, takeFiles } from './stray';

class FakeElement {
  constructor(readonly field: boolean) {}
  closest = () => (this.field ? this : null);
}
vi.stubGlobal('Element', FakeElement);

function drag(types: string[], field = false, defaultPrevented = false) {
  const dataTransfer = { types, dropEffect: 'copy' };
  const event = { dataTransfer, target: new FakeElement(field), defaultPrevented, preventDefault: vi.fn() };
  refuseStrayDrop(event as unknown as DragEvent);
  return { refused: event.preventDefault.mock.calls.length > 0, effect: dataTransfer.dropEffect };
}

function isMenuRefused(field: boolean, selected: boolean): boolean {
  vi.stubGlobal('getSelection', () => ({ isCollapsed: !selected }));
  const event = { target: new FakeElement(field) as unknown as Element, preventDefault: vi.fn() };
  refuseStrayMenu(event);
  return event.preventDefault.mock.calls.length > 0;
}

it('keeps the window where it is when a file or a link is dropped beside what takes it', () => {
  expect(drag(['Files'])).toEqual({ refused: true, effect: 'none' });
  expect(drag(['Files'], true).refused).toBe(true);
  expect(drag(['text/uri-list', 'text/plain']).refused).toBe(true);
});

it('lets text be moved, links be dropped into a text, and others take what is theirs', () => {
  expect(drag(['text/plain']).refused).toBe(false);
  expect(drag(['text/uri-list'], true).refused).toBe(false);
  expect(drag(['Files'], false, true).refused).toBe(false);
});

it('takes files where they belong, and nothing else', () => {
  const taken = (types: string[]) => {
    const event = { dataTransfer: { types, dropEffect: 'none' }, preventDefault: vi.fn() };
    takeFiles(event as unknown as DragEvent);
    return [event.preventDefault.mock.calls.length, event.dataTransfer.dropEffect];
  };
  expect(taken(['Files', 'text/uri-list'])).toEqual([1, 'copy']);
  expect(taken(['text/uri-list'])).toEqual([1, 'copy']);
  expect(taken(['text/plain', 'text/html'])).toEqual([0, 'none']);
});

it('lets nobody reload the window by the right mouse button, and leaves the menu to what has text', () => {
  expect(isMenuRefused(false, false)).toBe(true);
  expect(isMenuRefused(true, false)).toBe(false);
  expect(isMenuRefused(false, true)).toBe(false);
});
