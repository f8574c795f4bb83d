/** F6 goes round the window's regions; each remembers what was focused in it. */
const remembered = new WeakMap<Element, HTMLElement>();

export function nextRegion(backwards: boolean): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')].filter((region) =>
    region.checkVisibility(),
  );
  const focused = document.activeElement;
  const current = regions.findIndex((region) => region.contains(focused));
  const here = regions[current];
  if (here && focused instanceof HTMLElement) remembered.set(here, focused);
  const step = backwards ? (here ? -1 : 0) : 1;
  const next = regions.at((current + step) % regions.length);
  if (next) enter(next);
}

function enter(region: HTMLElement): void {
  const before = remembered.get(region);
  if (before && region.contains(before) && before.checkVisibility()) return before.focus();
  const preferred = region.querySelector<HTMLElement>('[data-region-focus]');
  const first = region.querySelector<HTMLElement>('button:not(:disabled), input, textarea, [tabindex="0"]');
  (preferred ?? first ?? region).focus();
}
