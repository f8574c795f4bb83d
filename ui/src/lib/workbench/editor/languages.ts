/** The language of a file, by its name. A language's code is fetched when a file of it is first opened. */
import { type LanguageSupport, StreamLanguage, type StreamParser } from '@codemirror/language';
import type { Extension } from '@codemirror/state';

type Load = () => Promise<Extension>;

const stream = async (parser: Promise<StreamParser<unknown>>): Promise<Extension> =>
  StreamLanguage.define(await parser);
const clike = () => import('@codemirror/legacy-modes/mode/clike');
const script =
  (options: { jsx?: boolean; typescript?: boolean }): Load =>
  async (): Promise<LanguageSupport> =>
    (await import('@codemirror/lang-javascript')).javascript(options);

const LANGUAGES = {
  JavaScript: script({ jsx: true }),
  TypeScript: script({ typescript: true }),
  TSX: script({ typescript: true, jsx: true }),
  CSS: async () => (await import('@codemirror/lang-css')).css(),
  HTML: async () => (await import('@codemirror/lang-html')).html(),
  JSON: async () => (await import('@codemirror/lang-json')).json(),
  Markdown: async () => (await import('@codemirror/lang-markdown')).markdown(),
  Python: async () => (await import('@codemirror/lang-python')).python(),
  Rust: async () => (await import('@codemirror/lang-rust')).rust(),
  YAML: async () => (await import('@codemirror/lang-yaml')).yaml(),
  Shell: () => stream(import('@codemirror/legacy-modes/mode/shell').then(({ shell }) => shell)),
  TOML: () => stream(import('@codemirror/legacy-modes/mode/toml').then(({ toml }) => toml)),
  Go: () => stream(import('@codemirror/legacy-modes/mode/go').then(({ go }) => go)),
  Ruby: () => stream(import('@codemirror/legacy-modes/mode/ruby').then(({ ruby }) => ruby)),
  Lua: () => stream(import('@codemirror/legacy-modes/mode/lua').then(({ lua }) => lua)),
  Perl: () => stream(import('@codemirror/legacy-modes/mode/perl').then(({ perl }) => perl)),
  Swift: () => stream(import('@codemirror/legacy-modes/mode/swift').then(({ swift }) => swift)),
  SQL: () => stream(import('@codemirror/legacy-modes/mode/sql').then(({ standardSQL }) => standardSQL)),
  XML: () => stream(import('@codemirror/legacy-modes/mode/xml').then(({ xml }) => xml)),
  Diff: () => stream(import('@codemirror/legacy-modes/mode/diff').then(({ diff }) => diff)),
  Dockerfile: () =>
    stream(import('@codemirror/legacy-modes/mode/dockerfile').then(({ dockerFile }) => dockerFile)),
  CMake: () => stream(import('@codemirror/legacy-modes/mode/cmake').then(({ cmake }) => cmake)),
  Nginx: () => stream(import('@codemirror/legacy-modes/mode/nginx').then(({ nginx }) => nginx)),
  Properties: () =>
    stream(import('@codemirror/legacy-modes/mode/properties').then(({ properties }) => properties)),
  C: () => stream(clike().then(({ c }) => c)),
  'C++': () => stream(clike().then(({ cpp }) => cpp)),
  'C#': () => stream(clike().then(({ csharp }) => csharp)),
  Java: () => stream(clike().then(({ java }) => java)),
  Kotlin: () => stream(clike().then(({ kotlin }) => kotlin)),
  Scala: () => stream(clike().then(({ scala }) => scala)),
  Dart: () => stream(clike().then(({ dart }) => dart)),
} satisfies Record<string, Load>;

type Language = keyof typeof LANGUAGES;

const ENDINGS: Record<Language, string> = {
  JavaScript: 'js mjs cjs jsx',
  TypeScript: 'ts mts cts',
  TSX: 'tsx',
  CSS: 'css scss less',
  HTML: 'html htm xhtml svelte vue astro hbs',
  JSON: 'json jsonc json5 map webmanifest ipynb',
  Markdown: 'md mdx markdown',
  Python: 'py pyi pyw',
  Rust: 'rs',
  YAML: 'yml yaml',
  Shell: 'sh bash zsh ksh fish bats',
  TOML: 'toml',
  Go: 'go',
  Ruby: 'rb rake gemspec',
  Lua: 'lua',
  Perl: 'pl pm',
  Swift: 'swift',
  SQL: 'sql',
  XML: 'xml svg xsd xslt plist',
  Diff: 'diff patch',
  Dockerfile: 'dockerfile containerfile',
  CMake: 'cmake',
  Nginx: '',
  Properties: 'ini cfg conf properties env service desktop',
  C: 'c h',
  'C++': 'cc cpp cxx hpp hh hxx ino',
  'C#': 'cs',
  Java: 'java',
  Kotlin: 'kt kts',
  Scala: 'scala sc',
  Dart: 'dart',
};

const WHOLE_NAMES: Record<string, Language> = {
  dockerfile: 'Dockerfile',
  containerfile: 'Dockerfile',
  'cmakelists.txt': 'CMake',
  'nginx.conf': 'Nginx',
  gemfile: 'Ruby',
  rakefile: 'Ruby',
  'cargo.lock': 'TOML',
  'poetry.lock': 'TOML',
  'uv.lock': 'TOML',
  pipfile: 'TOML',
  '.babelrc': 'JSON',
  '.prettierrc': 'JSON',
  '.bashrc': 'Shell',
  '.profile': 'Shell',
  '.bash_profile': 'Shell',
  '.zshrc': 'Shell',
  '.editorconfig': 'Properties',
  '.gitconfig': 'Properties',
  '.npmrc': 'Properties',
};

const BY_ENDING = new Map(
  Object.entries(ENDINGS).flatMap(([language, endings]) =>
    endings
      .split(' ')
      .filter(Boolean)
      .map((ending) => [ending, language as Language] as const),
  ),
);

/** What a file of this name is written in; `null` where the name does not tell. */
export function languageOf(name: string): Language | null {
  const lower = name.toLowerCase();
  const whole = Object.hasOwn(WHOLE_NAMES, lower) ? WHOLE_NAMES[lower] : undefined;
  if (whole) return whole;
  if (lower === '.env' || lower.startsWith('.env.')) return 'Properties';
  if (lower.startsWith('dockerfile.')) return 'Dockerfile';
  const dot = lower.lastIndexOf('.');
  return dot < 0 ? null : (BY_ENDING.get(lower.slice(dot + 1)) ?? null);
}

/** The editor's part that knows a language. */
export function loadLanguage(language: Language): Promise<Extension> {
  return LANGUAGES[language]();
}
