/** For tests: records with only what matters spelled out. */
import type {
  ActionCard,
  Author,
  Channel,
  Check,
  Entry,
  EntryBody,
  Event,
  EventBody,
  Job,
  Machine,
  Question,
  Snapshot,
  Transfer,
} from '$lib/api';

export function channel(id: string, changes: Partial<Channel> = {}): Channel {
  return {
    id,
    name: id,
    created_at: 0,
    provider: 'local',
    machine: null,
    start: { kind: 'blank' },
    sandbox: {
      state: 'running',
      since: 0,
      steps: [],
      network: 'full',
      network_note: null,
      limits: null,
      inventory: null,
      connection: { state: 'connected' },
      failure: null,
    },
    jobs: [],
    previews: [],
    workdir: '/home/dev/work',
    ...changes,
  };
}

export function entry(seq: number, changes: Partial<Entry> = {}): Entry {
  return {
    id: `e${seq}`,
    channel: 'a',
    at: seq * 1000,
    seq,
    author: { kind: 'person' },
    body: { kind: 'message', text: `message ${seq}` },
    ...changes,
  };
}

export function action(id: string, changes: Partial<ActionCard> = {}): EntryBody {
  const card: ActionCard = {
    action: id,
    verb: 'run',
    subject: 'true',
    summary: null,
    status: { state: 'running' },
    duration_ms: null,
    output: null,
    job: null,
    ...changes,
  };
  return { kind: 'action', card };
}

export function job(id: string, changes: Partial<Job> = {}): Job {
  return {
    id,
    command: 'npm test',
    cwd: '/home/dev/work',
    service: false,
    status: { state: 'running' },
    started_at: 0,
    ended_at: null,
    action: null,
    ...changes,
  };
}

export const AGENT: Author = { kind: 'agent', name: 'claude-code' };

export function event(seq: number, body: EventBody): Event {
  return { seq, at: 0, body };
}

export function snapshot(seq: number, channels: Channel[], changes: Partial<Snapshot> = {}): Snapshot {
  return {
    seq,
    engine: 'one',
    channels,
    providers: [],
    machines: [],
    questions: [],
    transfers: [],
    forwards: [],
    settings: { theme: 'system', space_name: 'My space' },
    keychain: { state: 'available' },
    problems: [],
    ...changes,
  };
}

export function machine(id: string, changes: Partial<Machine> = {}): Machine {
  return { id, name: id, address: `ada@${id}`, identity: null, created_at: 0, ...changes };
}

export function question(id: string, changes: Partial<Question> = {}): Question {
  const ask = { kind: 'password', user: 'ada', host: 'm', again: false } as const;
  return { id, machine: 'm', ask, ...changes };
}

export function transfer(id: string, changes: Partial<Transfer> = {}): Transfer {
  return {
    id,
    channel: 'a',
    up: true,
    name: 'photos.zip',
    to: '/home/dev/work',
    done: 0,
    total: 1000,
    status: { state: 'running' },
    ...changes,
  };
}

export function check(changes: Partial<Check> = {}): Check {
  return {
    id: 'shell',
    label: 'A shell that answers',
    ok: true,
    optional: false,
    overtaken: false,
    detail: '',
    duration_ms: 1,
    ...changes,
  };
}
