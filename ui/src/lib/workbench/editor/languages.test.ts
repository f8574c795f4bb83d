import { EditorState } from '@codemirror/state';
import { ensureSyntaxTree } from '@codemirror/language';
import { describe, expect, it } from 'vitest';
import { languageOf, loadLanguage } from './languages';

describe('the language of a file', () => {
  it.each([
    ['index.html', 'HTML'],
    ['App.svelte', 'HTML'],
    ['main.ts', 'TypeScript'],
    ['View.tsx', 'TSX'],
    ['server.py', 'Python'],
    ['Dockerfile', 'Dockerfile'],
    ['Dockerfile.dev', 'Dockerfile'],
    ['CMakeLists.txt', 'CMake'],
    ['.env.local', 'Properties'],
    ['README.MD', 'Markdown'],
    ['Cargo.lock', 'TOML'],
  ])('%s is %s', (name, language) => expect(languageOf(name)).toBe(language));

  it.each(['Makefile', 'notes.txt', 'a', 'a.', '.hidden', 'constructor', '__proto__'])(
    '%s is not known',
    (name) => {
      expect(languageOf(name)).toBeNull();
    },
  );

  it.each(['JavaScript', 'Python', 'Shell', 'C++', 'TOML', 'Dockerfile'] as const)(
    '%s can be parsed',
    async (language) => {
      const state = EditorState.create({ doc: '# x = "y"\n', extensions: await loadLanguage(language) });
      expect(ensureSyntaxTree(state, state.doc.length, 1000)?.length).toBe(state.doc.length);
    },
  );
});
