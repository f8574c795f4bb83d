/** Who gets the keyboard when what had it goes: without an heir it falls to the window, and one begins at its top again. */
import type { Attachment } from 'svelte/attachments';

/** `heir` says who gets what a part of the box had; `row` is the place of the list's row that it was in. */
export function inherits(
  heir: (box: HTMLElement, row: number) => HTMLElement | null,
): Attachment<HTMLElement> {
  return (box) => {
    let held: Element | null = null;
    let row = 0;
    const enter = ({ target }: FocusEvent) => {
      held = target instanceof Element ? target : null;
      row = rowsIn(box).findIndex((one) => one.contains(held));
    };
    const leave = ({ target }: FocusEvent) =>
      // Some engines say so of what is removed too, and before it is.
      queueMicrotask(() => {
        if (held === target && held?.isConnected) held = null;
      });
    const observer = new MutationObserver(() => {
      if (!held || held.isConnected) return;
      held = null;
      if (!box.contains(document.activeElement)) heir(box, row)?.focus();
    });
    box.addEventListener('focusin', enter);
    box.addEventListener('focusout', leave);
    observer.observe(box, { childList: true, subtree: true });
    return () => {
      box.removeEventListener('focusin', enter);
      box.removeEventListener('focusout', leave);
      observer.disconnect();
    };
  };
}

/** The first button that can be pressed. */
export function firstButton(box: HTMLElement): HTMLElement | null {
  return box.querySelector('button:not(:disabled)');
}

/** The row that came in the place of one that went, or the last. */
export function nextRow(box: HTMLElement, row: number): HTMLElement | null {
  const rows = rowsIn(box);
  return rows[Math.min(Math.max(row, 0), rows.length - 1)] ?? null;
}

function rowsIn(box: HTMLElement): HTMLElement[] {
  return [...box.querySelectorAll('li')];
}
