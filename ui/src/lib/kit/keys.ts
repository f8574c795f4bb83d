/** The keyboard's differences between systems. */
export const isMac = navigator.platform.startsWith('Mac');

/** Whether the system's main modifier (⌘ or Ctrl), and no other but Shift, is held. */
export function withMod(event: KeyboardEvent): boolean {
  return isMac
    ? event.metaKey && !event.ctrlKey && !event.altKey
    : event.ctrlKey && !event.metaKey && !event.altKey;
}

/** Whether a dialog has the keyboard, so that the window's own keys are not meant. The palette is one of those. */
export function isAsked(): boolean {
  return document.querySelector('[role=dialog]:not([data-palette])') !== null;
}
