/**
 * Lets libraries style the page under a policy without inline styles. CodeMirror, xterm and paneforge put `<style>`
 * elements into the document, which `style-src 'self'` refuses; a constructed style sheet it does not. So what they
 * get for a `<style>` is an element that adopts its text as such a sheet for as long as it is connected.
 */
class AdoptedStyle extends HTMLElement {
  readonly #sheet = new CSSStyleSheet();
  #text = '';

  override get textContent(): string {
    return this.#text;
  }

  override set textContent(text: string) {
    this.#text = text;
    this.#sheet.replaceSync(text);
  }

  override get innerHTML(): string {
    return this.#text;
  }

  override set innerHTML(text: string) {
    this.textContent = text;
  }

  connectedCallback(): void {
    this.hidden = true;
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.#sheet];
  }

  disconnectedCallback(): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== this.#sheet);
  }
}

const NAME = 'berth-style';

function install(): void {
  customElements.define(NAME, AdoptedStyle);
  const create = Reflect.get<object, string>(Document.prototype, 'createElement') as (
    this: Document,
    name: string,
    options?: ElementCreationOptions,
  ) => HTMLElement;
  const adopting = (name: string, options?: ElementCreationOptions) =>
    create.call(document, name.toLowerCase() === 'style' ? NAME : name, options);
  Object.assign(document, { createElement: adopting });
}

// Vite's own client replaces style elements while one develops, where there is no such policy.
if (!import.meta.env.DEV && !customElements.get(NAME)) install();
