/** A message's plain text as paragraphs with code and links. Nothing in it is ever read as HTML. */
export type Span = { kind: 'text' | 'code'; text: string } | { kind: 'link'; text: string; url: string };
export type Paragraph = { kind: 'prose'; spans: Span[] } | { kind: 'pre'; text: string };

const FENCE = /^```[^\n`]*\n([\s\S]*?)\n?^```[ \t]*$/gm;
const INLINE = /`([^`\n]+)`|(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}])/g;

export function paragraphs(text: string): Paragraph[] {
  const found: Paragraph[] = [];
  let from = 0;
  for (const match of text.matchAll(FENCE)) {
    found.push(...prose(text.slice(from, match.index)));
    found.push({ kind: 'pre', text: match[1] ?? '' });
    from = match.index + match[0].length;
  }
  found.push(...prose(text.slice(from)));
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
