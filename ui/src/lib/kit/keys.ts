/** The keyboard's differences between systems. */
export const isMac = navigator.platform.startsWith('Mac');

/** Whether the system's main modifier (⌘ or Ctrl), and no other but Shift, is held. */
export function withMod(event: KeyboardEvent): boolean {
  return isMac
    ? event.metaKey && !event.ctrlKey && !event.altKey
    : event.ctrlKey && !event.metaKey && !event.altKey;
}
