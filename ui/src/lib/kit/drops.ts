/** Files and links that are dropped where nothing takes them. */

/** Whether the browser would leave the window for what is dragged here: it opens what nobody else takes. */
function isStray({ dataTransfer, target }: Pick<DragEvent, 'dataTransfer' | 'target'>): boolean {
  const types = dataTransfer?.types ?? [];
  if (types.includes('Files')) return true;
  if (!types.includes('text/uri-list')) return false;
  return !(target instanceof Element && target.closest('input, textarea, [contenteditable="true"]'));
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
export function refuseStray(event: DragEvent): void {
  if (event.defaultPrevented || !isStray(event)) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
}
