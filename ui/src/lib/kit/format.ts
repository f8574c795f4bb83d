/** Numbers and times as people read them. */

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'long', year: 'numeric' });

/** "12 ms", "0.3 s", "41 s", "2 min 5 s", "1 h 4 min". */
export function duration(ms: number): string {
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9_950) return `${number.format(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** "14:02". */
export function time(at: number): string {
  return clock.format(at);
}

/** "Today", "Yesterday", "Monday, March 3", "March 3, 2025". */
export function day(at: number, now = Date.now()): string {
  const days = dayNumber(now) - dayNumber(at);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 300 ? weekday.format(at) : full.format(at);
}

/** "14:02", and of another day "yesterday, 14:02", "Monday, March 3, 14:02". */
export function moment(at: number, now = Date.now()): string {
  const on = day(at, now);
  if (on === 'Today') return time(at);
  return `${on === 'Yesterday' ? 'yesterday' : on}, ${time(at)}`;
}

/** A number that two moments of one local day share. */
export function dayNumber(at: number): number {
  const date = new Date(at);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000);
}

/** "812 B", "1.4 KB", "31 MB". */
export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  let value = count;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${value < 10 ? number.format(value) : Math.round(value)} ${units[at] ?? 'B'}`;
}

/** "1 job", "3 jobs". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
