/** The right mouse button, where nothing takes it. */

/** What the browser's own menu cuts, copies and pastes. */
const TEXT = 'input, textarea, [contenteditable="true"], .xterm';

/** Refuses the browser's menu where there is no text: it would reload the window, and lead back to what was there before. */
export function refuseBrowserMenu(event: Pick<MouseEvent, 'target' | 'preventDefault'>): void {
  const onText = event.target instanceof Element && event.target.closest(TEXT) !== null;
  const selected = getSelection()?.isCollapsed === false;
  if (!onText && !selected) event.preventDefault();
}
