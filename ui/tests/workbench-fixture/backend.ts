/** The fixture's backend with a disk that can be written, a huge folder, odd names, and a terminal that answers. */
import {
  CallError,
  type DirEntry,
  type FileContent,
  type Request,
  type Response,
  type CommandName,
  type Terminal,
  type TerminalHandlers,
} from '../../src/lib/api';
import { FixtureBackend } from '../fixture/backend';
import { files as plain } from '../fixture/scenes';

const ROOT = '/home/dev/work';
const CHANNEL = 'id-landing-page';

interface Node {
  entry: DirEntry;
  content: FileContent;
  version: number;
}

const PIXELS =
  '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"><rect width="320" height="120" rx="14" fill="#0f6480"/><circle cx="160" cy="120" r="60" fill="#dba55b"/></svg>';

export class DiskBackend extends FixtureBackend {
  readonly disk = new Map<string, Node>();
  /** Every command, by name. */
  readonly calls: string[] = [];
  readonly typed: string[] = [];
  /** How long an answer takes (ms). */
  delay = 0;
  terminal: TerminalHandlers | null = null;
  readonly #many = Array.from({ length: 100_000 }, (_, n) =>
    entryOf(`photo-${String(n).padStart(6, '0')}.jpg`),
  );

  constructor(scene: ConstructorParameters<typeof FixtureBackend>[0]) {
    super(scene);
    for (const { path, entry, text } of plain) this.#put(path, text ?? '', entry);
    this.#put('many', '', { ...entryOf('many'), kind: 'folder' });
    this.#put('odd', '', { ...entryOf('odd'), kind: 'folder' });
    const raw = String.fromCodePoint(0x10ff00 + 0xe9);
    for (const name of [
      `caf${raw}.txt`,
      'evil\u202Etxt.exe',
      'new\nline',
      'ünïcödé 你好 🎉.md',
      '-rf',
      ' spaces ',
    ]) {
      this.#put(`odd/${name}`, 'odd\n');
    }
    this.#put('odd/latest', '', { ...entryOf('latest'), kind: 'link', target: '../src/index.html' });
    this.#put('odd/assets', '', { ...entryOf('assets'), kind: 'link_to_folder', target: '../public' });
    this.#put('logo.svg.png', '');
    this.#set('logo.svg.png', { kind: 'image', mime: 'image/svg+xml', base64: btoa(PIXELS) });
    this.#put('tool', '');
    this.#set('tool', { kind: 'binary', looks_like: 'ELF program' });
    this.#put('server.log', '');
    const text = Array.from({ length: 2000 }, (_, n) => `12:00:${n % 60} GET /berth/${n} 200\n`).join('');
    this.#set('server.log', { kind: 'text', text, first_line: 1, total_lines: 812_345, more: true });
    this.#put('.env.local', 'TOKEN=abc\n', { ...entryOf('.env.local'), ignored: true });
  }

  /** Somebody else writes a file. */
  write(path: string, text: string): void {
    const node = this.disk.get(`${ROOT}/${path}`);
    if (node) {
      node.content = textOf(text);
      node.version += 1;
    } else this.#put(path, text);
    this.touch(path);
  }

  remove(path: string): void {
    this.disk.delete(`${ROOT}/${path}`);
    this.touch(path);
  }

  touch(path: string): void {
    this.emit({ kind: 'files', channel: CHANNEL, paths: [`${ROOT}/${path}`] });
  }

  read(path: string): string | null {
    const content = this.disk.get(`${ROOT}/${path}`)?.content;
    return content?.kind === 'text' ? content.text : null;
  }

  override async call<K extends CommandName>(name: K, request: Request<K>): Promise<Response<K>> {
    this.calls.push(name);
    if (this.delay) await new Promise((resolve) => setTimeout(resolve, this.delay));
    const answer = this.#files[name];
    return answer ? answer(request) : super.call(name, request);
  }

  override openTerminal(
    _: string,
    cols: number,
    rows: number,
    handlers: TerminalHandlers,
  ): Promise<Terminal> {
    this.terminal = handlers;
    const say = (text: string) => handlers.bytes(new TextEncoder().encode(text));
    const prompt = () => say('\x1b[32mdev@landing-page\x1b[0m:\x1b[34m~/work\x1b[0m$ ');
    setTimeout(() => {
      say(`${cols}×${rows}\r\n`);
      prompt();
    });
    return Promise.resolve({
      write: (data) => {
        const text = new TextDecoder().decode(data);
        this.typed.push(text);
        say(text.replaceAll('\r', '\r\n'));
        if (text.includes('\r')) prompt();
        if (text.includes('\u0004')) handlers.exit(0);
      },
      resize: () => undefined,
      close: () => undefined,
    });
  }

  #put(path: string, text: string, entry = entryOf(path.replace(/^.*\//, ''))): void {
    this.disk.set(`${ROOT}/${path}`, {
      entry: { ...entry, size: text.length },
      content: textOf(text),
      version: 1,
    });
  }

  #set(path: string, content: FileContent): void {
    const node = this.disk.get(`${ROOT}/${path}`);
    if (node) node.content = content;
  }

  #node(path: string): Node {
    const node = this.disk.get(path);
    if (!node) throw new CallError({ code: 'not_found', message: `There is no file ${path}.` });
    return node;
  }

  #below(folder: string): DirEntry[] {
    if (folder === `${ROOT}/many`) return this.#many;
    const rank = ({ kind }: DirEntry) => (kind === 'folder' || kind === 'link_to_folder' ? 0 : 1);
    return [...this.disk]
      .filter(([path]) => path.slice(0, path.lastIndexOf('/')) === folder)
      .map(([, { entry }]) => entry)
      .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  }

  readonly #files: { [K in CommandName]?: (request: Request<K>) => Response<K> } = {
    'action.list': ({ path = ROOT, offset = 0, limit = 1000 }) => {
      const all = this.#below(path);
      return { path, entries: all.slice(offset, offset + limit), total: all.length };
    },
    'action.read': ({ path }) => {
      const { content, version, entry } = this.#node(path);
      return {
        path,
        size: content.kind === 'text' ? content.text.length : entry.size || 48_213,
        version: `v${version}`,
        content,
      };
    },
    'action.stat': ({ path }) => {
      const { entry, version } = this.#node(path);
      return { path, entry, version: `v${version}` };
    },
    'action.write': ({ path, content, version }) => {
      const node = this.disk.get(path);
      if (version !== undefined && version !== `v${node?.version ?? 0}`) {
        throw new CallError({ code: 'conflict', message: 'The file changed since it was read.' });
      }
      if (node) {
        node.content = textOf(content);
        node.version += 1;
      } else this.#put(path.slice(ROOT.length + 1), content);
      this.touch(path.slice(ROOT.length + 1));
      return { path, size: content.length, version: `v${this.#node(path).version}`, created: !node };
    },
    'action.move': ({ from, to }) => {
      if (this.disk.has(to))
        throw new CallError({ code: 'conflict', message: `There is something at ${to} already.` });
      for (const [path, node] of [...this.disk]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        this.disk.delete(path);
        const moved = to + path.slice(from.length);
        this.disk.set(moved, { ...node, entry: { ...node.entry, name: moved.replace(/^.*\//, '') } });
      }
      return { path: to, ...this.#node(to), version: 'v1' };
    },
    'action.delete': ({ path }) => {
      this.#node(path);
      for (const known of [...this.disk.keys()]) {
        if (known === path || known.startsWith(`${path}/`)) this.disk.delete(known);
      }
      return {};
    },
    'action.run': ({ command, cwd = ROOT }) => {
      const made = /^mkdir -p -- (?:'(.*)'|(\S+))$/.exec(command);
      const name = made?.[1]?.replaceAll("'\\''", "'") ?? made?.[2];
      if (name) this.#put(`${cwd}/${name}`.slice(ROOT.length + 1), '', { ...entryOf(name), kind: 'folder' });
      const ok = name !== undefined || command.startsWith('test ! -e');
      const stderr = ok ? '' : 'sh: no';
      return { stdout: '', stderr, exit_code: ok ? 0 : 1, duration_ms: 2, truncated: false, job: null };
    },
  };
}

function entryOf(name: string): DirEntry {
  return { name, kind: 'file', size: 0, modified: 0, mode: 0o644, target: null, ignored: false };
}

function textOf(text: string): FileContent {
  return { kind: 'text', text, first_line: 1, total_lines: text.split('\n').length - 1, more: false };
}
