/**
 * The app freezes `Object.prototype`, as Tauri can, so that no page script changes what all objects inherit. Assigning a
 * property that is inherited read-only then throws; xterm does so once, to name a function of its own `toString`. That
 * assignment becomes a definition here, which is what it means.
 */
import type { Plugin } from 'vite';

/** The policy refuses style attributes that a script writes as text; the same through the element's `style` it takes. */
const STYLE = /\b(\w+)\.setAttribute\("style",/g;
const ASSIGNMENT = /\b(\w+)\.toString=(\w+);/g;

export function frozenPrototype(): Plugin {
  return {
    name: 'frozen-prototype',
    transform(code, id) {
      if (!id.includes('/@xterm/xterm/')) return null;
      const defined = 'Object.defineProperty($1,"toString",{value:$2,configurable:true,writable:true});';
      return { code: code.replace(ASSIGNMENT, defined).replace(STYLE, '$1.style.cssText=('), map: null };
    },
  };
}
