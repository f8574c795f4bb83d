/** Marks, for a moment, the lines that somebody else just changed. */
import { type EditorState, type Extension, type Range, StateField, Transaction } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView } from '@codemirror/view';

const line = Decoration.line({ class: 'cm-followed' });

function linesIn(state: EditorState, from: number, to: number): Range<Decoration>[] {
  const marks: Range<Decoration>[] = [];
  for (let at = state.doc.lineAt(from); ; at = state.doc.line(at.number + 1)) {
    marks.push(line.range(at.from));
    if (at.to >= to || at.number === state.doc.lines) return marks;
  }
}

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    if (!transaction.docChanged) return marks;
    if (transaction.annotation(Transaction.remote) !== true) return Decoration.none;
    let found: Range<Decoration>[] = [];
    transaction.changes.iterChangedRanges((_fromA, _toA, fromB, toB) => {
      found = found.concat(linesIn(transaction.state, fromB, toB));
    });
    return Decoration.set(found, true);
  },
  provide: (marks) => EditorView.decorations.from(marks),
});

// The mark fades by itself: its animation ends transparent, and the next change replaces it.
export const followedLines: Extension = [
  field,
  EditorView.theme({ '.cm-followed': { animation: 'berth-followed 4s ease-out forwards' } }),
];
