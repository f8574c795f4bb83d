/** Text between a file and the editor, without a byte changed on the way. */
import {
  type ChangeSpec,
  Compartment,
  EditorState,
  type Extension,
  type StateEffect,
  Text,
} from '@codemirror/state';

/**
 * The line separator that keeps a text exactly: CRLF only where every line ends so. In any other text a line ends
 * at LF, and a CR is a character like others.
 */
function separatorOf(text: string): '\n' | '\r\n' {
  const lines = text.split('\n').length - 1;
  const windows = text.split('\r\n').length - 1;
  const returns = text.split('\r').length - 1;
  return lines > 0 && lines === windows && windows === returns ? '\r\n' : '\n';
}

const lineEnds = new Compartment();

/** A text in lines, ended as `separatorOf` says. */
export function linesOf(text: string): Text {
  return Text.of(text.split(separatorOf(text)));
}

/** The state of an editor that holds this text. */
export function stateOf(text: string, extensions: Extension): EditorState {
  const ends = lineEnds.of(EditorState.lineSeparator.of(separatorOf(text)));
  return EditorState.create({ doc: linesOf(text), extensions: [ends, extensions] });
}

/** Ends the lines of an editor as this text does. */
export function endLinesAs(text: string): StateEffect<unknown> {
  return lineEnds.reconfigure(EditorState.lineSeparator.of(separatorOf(text)));
}

/** What the editor holds, as it would be written. */
export function textOf(state: EditorState): string {
  return state.sliceDoc();
}

/** The one stretch in which two texts differ, so that cursor, folds and scroll stay where they are. */
export function difference(from: Text, to: Text): Extract<ChangeSpec, { from: number }> | null {
  const [old, young] = [from.toString(), to.toString()];
  if (old === young) return null;
  const shorter = Math.min(old.length, young.length);
  let start = 0;
  while (start < shorter && old[start] === young[start]) start += 1;
  let end = 0;
  while (end < shorter - start && old[old.length - 1 - end] === young[young.length - 1 - end]) end += 1;
  return { from: start, to: old.length - end, insert: to.slice(start, young.length - end) };
}
