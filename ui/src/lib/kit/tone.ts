/** What a colour says: well, on its way, wrong, or nothing in particular. */
export type Tone = 'ok' | 'warn' | 'bad' | 'plain';
