/** A message's plain text as paragraphs with code and links. Nothing in it is ever read as HTML. */
type Span = { kind: 'text' | 'code'; text: string } | { kind: 'link'; text: string; url: string };
type Paragraph = { kind: 'prose'; spans: Span[] } | { kind: 'pre'; text: string };

const INLINE = /`([^`\n]+)`|(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}])/g;

export function paragraphs(text: string): Paragraph[] {
  const found: Paragraph[] = [];
  const lines = text.split('\n');
  let from = 0;
  /** The line of a fence that is not closed yet; -1 outside. */
  let fence = -1;
  for (const [at, line] of lines.entries()) {
    if (!line.startsWith('```')) continue;
    if (fence < 0) {
      if (!line.includes('`', 3)) fence = at;
    } else if (line.slice(3).trim() === '') {
      found.push(...prose(lines.slice(from, fence).join('\n')));
      found.push({ kind: 'pre', text: lines.slice(fence + 1, at).join('\n') });
      from = at + 1;
      fence = -1;
    }
  }
  found.push(...prose(lines.slice(from).join('\n')));
  return found;
}

function prose(text: string): Paragraph[] {
  return text
    .split(/\n{2,}/)
    .map((part) => part.replace(/^\n+|\n+$/g, ''))
    .filter((part) => part !== '')
    .map((part) => ({ kind: 'prose', spans: spans(part) }));
}

function spans(text: string): Span[] {
  const found: Span[] = [];
  let from = 0;
  const plain = (to: number) => {
    if (to > from) found.push({ kind: 'text', text: text.slice(from, to) });
  };
  for (const match of text.matchAll(INLINE)) {
    plain(match.index);
    const [whole, code, url] = match;
    if (code !== undefined) found.push({ kind: 'code', text: code });
    else if (url !== undefined) found.push({ kind: 'link', text: url, url });
    from = match.index + whole.length;
  }
  plain(text.length);
  return found;
}
