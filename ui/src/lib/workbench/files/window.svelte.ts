/** Which rows of a long list are on screen. All rows are equally high. */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';

type Element = HTMLElement;

export class RowWindow {
  /** The rows to draw, a few more than are seen, with their distance from the top. */
  rows = $state.raw<{ index: number; start: number }[]>([]);
  /** How high the whole list is. */
  height = $state(0);

  readonly #virtualizer: Virtualizer<Element, Element>;
  readonly #row: number;
  readonly #end: () => void;
  readonly #seen: (start: number, end: number) => void;

  constructor(scroller: Element, row: number, seen: (start: number, end: number) => void) {
    this.#row = row;
    this.#seen = seen;
    this.#virtualizer = new Virtualizer<Element, Element>({
      ...this.#options(0),
      getScrollElement: () => scroller,
    });
    this.#end = this.#virtualizer._didMount();
    this.#virtualizer._willUpdate();
  }

  setCount(count: number): void {
    this.#virtualizer.setOptions({ ...this.#virtualizer.options, count });
    this.#virtualizer._willUpdate();
    this.#draw();
  }

  scrollTo(index: number): void {
    this.#virtualizer.scrollToIndex(index, { align: 'auto' });
  }

  /** How many whole rows fit on the screen. */
  get page(): number {
    return Math.max(1, Math.floor((this.#virtualizer.scrollRect?.height ?? 0) / this.#row) - 1);
  }

  end(): void {
    this.#end();
  }

  #options(count: number) {
    return {
      count,
      estimateSize: () => this.#row,
      overscan: 12,
      scrollToFn: elementScroll,
      observeElementRect: observeElementRect<Element>,
      observeElementOffset: observeElementOffset<Element>,
      onChange: () => this.#draw(),
    };
  }

  #draw(): void {
    this.rows = this.#virtualizer.getVirtualItems().map(({ index, start }) => ({ index, start }));
    this.height = this.#virtualizer.getTotalSize();
    const { range } = this.#virtualizer;
    this.#seen(range?.startIndex ?? 0, range?.endIndex ?? -1);
  }
}
