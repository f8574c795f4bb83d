/** What every editor here can do, and how it looks: all colours are the tokens' names. */
import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import {
  bracketMatching,
  codeFolding,
  foldGutter,
  foldKeymap,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';
import { languageOf, loadLanguage } from './languages';
import { followedLines } from './followed';

const language = new Compartment();
const editable = new Compartment();
const label = new Compartment();

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--fg)', backgroundColor: 'transparent', fontSize: '0.78125rem' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    fontFamily: 'var(--font-mono)',
    fontFeatureSettings: '"liga" 0, "calt" 0',
    fontVariantLigatures: 'none',
    lineHeight: '1.65',
    overscrollBehavior: 'contain',
  },
  '.cm-content': { padding: '8px 0 40vh', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0 12px 0 4px' },
  '.cm-cursor': { borderLeft: '2px solid var(--accent)' },
  '.cm-gutters': { color: 'var(--fg-faint)', backgroundColor: 'var(--bg-surface)', border: 'none' },
  '.cm-lineNumbers .cm-gutterElement': { minWidth: '36px', padding: '0 4px 0 12px' },
  '.cm-foldGutter .cm-gutterElement': { width: '16px', textAlign: 'center', cursor: 'default' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-activeLine': { backgroundColor: 'var(--bg-hover)' },
  '&.cm-focused .cm-activeLineGutter': { color: 'var(--fg)' },
  '& > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { background: 'var(--bg-active)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    background: 'var(--code-selection)',
  },
  '.cm-selectionMatch': { backgroundColor: 'var(--bg-active)' },
  '.cm-searchMatch': { backgroundColor: 'var(--warn-soft)', outline: '1px solid var(--warn)' },
  '.cm-searchMatch-selected': { backgroundColor: 'var(--accent-soft)', outline: '1px solid var(--accent)' },
  '&.cm-focused .cm-matchingBracket': {
    backgroundColor: 'var(--bg-active)',
    outline: '1px solid var(--line-strong)',
  },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'var(--bad-soft)' },
  '.cm-foldPlaceholder': {
    margin: '0 3px',
    padding: '0 5px',
    color: 'var(--fg-muted)',
    backgroundColor: 'var(--bg-active)',
    border: 'none',
  },
  '.cm-specialChar': { color: 'var(--bad)' },
  // The editor's own colours for panels are those of a light theme.
  '.cm-panels': { color: 'var(--fg)', backgroundColor: 'var(--bg-window)' },
  '.cm-textfield': { color: 'inherit' },
});

/** How code looks, and what any view of it needs: also the side that is only read. */
export function reading(name: string): Extension {
  return [
    lineNumbers(),
    highlightSpecialChars(),
    drawSelection(),
    syntaxHighlighting(classHighlighter),
    bracketMatching(),
    search({ top: true }),
    highlightSelectionMatches(),
    language.of([]),
    label.of(named(name)),
    theme,
    keymap.of([...searchKeymap, ...foldKeymap]),
  ];
}

/** An editor for a file of this name. */
export function editing(name: string): Extension {
  return [
    reading(name),
    editable.of([]),
    history(),
    codeFolding(),
    foldGutter({ openText: '⌄', closedText: '›' }),
    indentOnInput(),
    closeBrackets(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    followedLines,
    // Tab indents; Escape, then Tab, leaves the editor.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
  ];
}

export function setEditable(view: EditorView, on: boolean): void {
  const effect = editable.reconfigure(
    on ? [] : [EditorState.readOnly.of(true), EditorView.editable.of(true)],
  );
  view.dispatch({ effects: effect });
}

/** The keyboard comes to it anyway; `tabindex` says so to whoever asks whether what scrolls can be reached. */
function named(name: string): Extension {
  return EditorView.contentAttributes.of({ 'aria-label': name, tabindex: '0' });
}

/** What each view was last said to show: a language that comes late may be of a name that it no longer has. */
const names = new WeakMap<EditorView, string>();

/** Says what is shown, and colours it as its name tells once the code of its language is here. */
export async function present(view: EditorView, name: string, called = name): Promise<void> {
  names.set(view, name);
  view.dispatch({ effects: label.reconfigure(named(called)) });
  const known = languageOf(name);
  const support = known ? await loadLanguage(known) : [];
  if (names.get(view) === name) view.dispatch({ effects: language.reconfigure(support) });
}
