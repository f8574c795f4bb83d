/** xterm wants colours as numbers; ours are tokens. */
import type { ITheme } from '@xterm/xterm';

const TOKENS = {
  foreground: '--fg',
  background: '--bg-surface',
  cursor: '--accent',
  cursorAccent: '--bg-surface',
  selectionBackground: '--code-selection',
  scrollbarSliderBackground: '--bg-active',
  scrollbarSliderHoverBackground: '--line-strong',
  scrollbarSliderActiveBackground: '--line-strong',
  black: '--ansi-black',
  red: '--ansi-red',
  green: '--ansi-green',
  yellow: '--ansi-yellow',
  blue: '--ansi-blue',
  magenta: '--ansi-magenta',
  cyan: '--ansi-cyan',
  white: '--ansi-white',
  brightBlack: '--fg-faint',
  brightRed: '--ansi-red',
  brightGreen: '--ansi-green',
  brightYellow: '--ansi-yellow',
  brightBlue: '--ansi-blue',
  brightMagenta: '--ansi-magenta',
  brightCyan: '--ansi-cyan',
  brightWhite: '--fg',
} satisfies Partial<Record<keyof ITheme, string>>;

/** The tokens as they are in this element's colour scheme. */
export function themeOf(element: HTMLElement): ITheme {
  const probe = document.createElement('span');
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  element.append(probe);
  const theme: ITheme = {};
  for (const [name, token] of Object.entries(TOKENS) as [keyof typeof TOKENS, string][]) {
    probe.style.color = `var(${token})`;
    if (context) theme[name] = hexOf(context, getComputedStyle(probe).color);
  }
  probe.remove();
  return theme;
}

/** Calls back whenever the colour scheme may have changed. */
export function onSchemeChange(changed: () => void): () => void {
  const media = matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(changed);
  media.addEventListener('change', changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    media.removeEventListener('change', changed);
    observer.disconnect();
  };
}

/** Any colour CSS knows, as `#rrggbbaa`: painted, and read back. */
function hexOf(context: CanvasRenderingContext2D, colour: string): string {
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const { data } = context.getImageData(0, 0, 1, 1);
  return `#${[...data].map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
