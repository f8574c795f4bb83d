/** What nothing in the window takes, and the browser would leave the window for: files and links that are dropped, its menu. */

/** What the browser itself puts text into. */
const FIELD = 'input, textarea, [contenteditable="true"]';

/** Whether the browser would leave the window for what is dragged here: it opens what nobody else takes. */
function isStray({ dataTransfer, target }: Pick<DragEvent, 'dataTransfer' | 'target'>): boolean {
  const types = dataTransfer?.types ?? [];
  if (types.includes('Files')) return true;
  return types.includes('text/uri-list') && !isWithin(target, FIELD);
}

function isWithin(target: EventTarget | null, selector: string): boolean {
  return target instanceof Element && target.closest(selector) !== null;
}

/**
 * Lets files be dropped here. What becomes of them, the window's own event of the drop tells: a page sees no paths. In
 * WebKitGTK they are addresses until they are dropped.
 */
export function takeFiles(event: DragEvent): void {
  if (!event.dataTransfer?.types.some((type) => type === 'Files' || type === 'text/uri-list')) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = 'copy';
}

/** Refuses such a drop, and shows so while it is dragged. */
export function refuseStrayDrop(event: DragEvent): void {
  if (event.defaultPrevented || !isStray(event)) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
}

/** Refuses the browser's menu where there is no text to copy or paste: it reloads the window, and leads back. */
export function refuseStrayMenu(event: Pick<MouseEvent, 'target' | 'preventDefault'>): void {
  const isSelected = getSelection()?.isCollapsed === false;
  if (!isSelected && !isWithin(event.target, `${FIELD}, .xterm`)) event.preventDefault();
}
