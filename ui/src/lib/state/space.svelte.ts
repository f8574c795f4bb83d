/**
 * The window's mirror of the engine: channels, machines, questions, transfers, settings. It holds no truth of its own; it applies a
 * snapshot, then events in order, and asks for a new snapshot when one is missing.
 */
import { SvelteMap } from 'svelte/reactivity';
import type {
  Backend,
  CallError,
  Channel,
  ChannelId,
  Check,
  CheckOf,
  Event,
  EventBody,
  Forward,
  Keychain,
  Machine,
  MachineId,
  ProviderInfo,
  Question,
  RpcError,
  Settings,
  Snapshot,
  Unsubscribe,
} from '$lib/api';
import { Timeline } from './timeline.svelte';
import { Transfers } from './transfers.svelte';

/** Whether the engine is heard. */
type Link = { state: 'connecting' } | { state: 'live' } | { state: 'lost'; reason: CallError };

/** What other parts of the window may want to hear of. */
interface SpaceObserver {
  /** Files of a channel may have changed; no paths means any of them. */
  files?(channel: ChannelId, paths: string[]): void;
  /** A channel is no more. */
  gone?(channel: ChannelId): void;
  /** A check goes on, and has found this so far. */
  checking?(of: CheckOf, found: Check[]): void;
  /** Somebody asks to see a channel. */
  focus?(channel: ChannelId | null, port: number | null): void;
}

export class Space {
  link = $state.raw<Link>({ state: 'connecting' });
  channels = $state.raw<Channel[]>([]);
  providers = $state.raw<ProviderInfo[]>([]);
  machines = $state.raw<Machine[]>([]);
  /** What waits for a person's answer, oldest first. */
  questions = $state.raw<Question[]>([]);
  forwards = $state.raw<Forward[]>([]);
  readonly transfers = new Transfers();
  settings = $state.raw<Settings>({ theme: 'system', space_name: 'My space' });
  keychain = $state.raw<Keychain>({ state: 'available' });
  problems = $state.raw<RpcError[]>([]);
  /** Entries that came while their channel was not on screen. */
  readonly unread = new SvelteMap<ChannelId, number>();
  /** The channel on screen. */
  shown = $state<ChannelId | null>(null);

  readonly #backend: Backend;
  readonly #timelines = new Map<ChannelId, Timeline>();
  readonly #observers = new Set<SpaceObserver>();
  /** The largest `seq` seen of each timeline: an entry beyond it is new, any other is a change. */
  readonly #newest = new Map<ChannelId, number>();
  #seq = 0;
  #unsubscribe: Unsubscribe | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Begins to listen; returns what ends it. */
  connect(): Unsubscribe {
    this.#unsubscribe?.();
    this.#unsubscribe = this.#backend.listen({
      snapshot: (snapshot) => this.reset(snapshot),
      event: (event) => {
        if (!this.apply(event)) this.connect();
      },
      lost: (reason) => (this.link = { state: 'lost', reason }),
    });
    return () => this.#unsubscribe?.();
  }

  channel(id: ChannelId | null): Channel | undefined {
    return this.channels.find((channel) => channel.id === id);
  }

  /** What a kind of provider is called here. */
  providerLabel(kind: string): string {
    return this.providers.find((provider) => provider.kind === kind)?.label ?? 'This computer';
  }

  machine(id: MachineId | null): Machine | undefined {
    return this.machines.find((machine) => machine.id === id);
  }

  /** Where a channel's sandbox runs: the name of its machine, or what its kind of provider is called. */
  placeOf(channel: Channel): string {
    return this.machine(channel.machine)?.name ?? this.providerLabel(channel.provider);
  }

  forwardsOf(channel: ChannelId): Forward[] {
    return this.forwards.filter((forward) => forward.channel === channel);
  }

  /** The timeline of a channel; made on first use, and kept true from then on. */
  timeline(id: ChannelId): Timeline {
    let timeline = this.#timelines.get(id);
    if (!timeline) {
      timeline = new Timeline(this.#backend, id);
      this.#timelines.set(id, timeline);
    }
    return timeline;
  }

  show(id: ChannelId | null): void {
    this.shown = id;
    if (id) this.unread.delete(id);
  }

  observe(observer: SpaceObserver): Unsubscribe {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Something in a channel is to be looked at when the person has time. */
  mark(id: ChannelId): void {
    if (id !== this.shown) this.unread.set(id, (this.unread.get(id) ?? 0) + 1);
  }

  reset(snapshot: Snapshot): void {
    const before = this.channels;
    this.#seq = snapshot.seq;
    this.channels = snapshot.channels;
    this.providers = snapshot.providers;
    this.machines = snapshot.machines;
    this.questions = snapshot.questions;
    this.forwards = snapshot.forwards;
    this.transfers.reset(snapshot.transfers);
    this.settings = snapshot.settings;
    this.keychain = snapshot.keychain;
    this.problems = snapshot.problems;
    this.link = { state: 'live' };
    for (const [id, timeline] of this.#timelines) {
      if (this.channel(id)) void timeline.refresh();
    }
    for (const { id } of before) if (!this.channel(id)) this.#forget(id);
    for (const channel of this.channels) this.#tellFiles(channel.id, []);
  }

  /** Applies one event; false when one before it is missing and a new snapshot is needed. */
  apply(event: Event): boolean {
    if (event.seq <= this.#seq) return true;
    if (event.seq !== this.#seq + 1) return false;
    this.#seq = event.seq;
    this.#applyBody(event.body);
    return true;
  }

  /** A channel as a command returned it. Where it is known already, its events tell what is newer. */
  add(channel: Channel): void {
    if (!this.channel(channel.id)) this.channels = [...this.channels, channel];
  }

  #put(channel: Channel): void {
    const at = this.channels.findIndex(({ id }) => id === channel.id);
    this.channels = at < 0 ? [...this.channels, channel] : this.channels.with(at, channel);
  }

  #applyBody(body: EventBody): void {
    switch (body.kind) {
      case 'channel':
        return this.#put(body.channel);
      case 'channel_removed':
        this.channels = this.channels.filter(({ id }) => id !== body.id);
        return this.#forget(body.id);
      case 'entry': {
        const { entry } = body;
        this.#timelines.get(entry.channel)?.put(entry);
        const isNew = entry.seq > (this.#newest.get(entry.channel) ?? -1);
        if (isNew) this.#newest.set(entry.channel, entry.seq);
        const byOther = entry.author.kind !== 'person' && entry.author.kind !== 'berth';
        if (isNew && byOther) this.mark(entry.channel);
        return;
      }
      case 'output':
        this.#timelines.get(body.channel)?.print(body.action, body.text);
        return;
      case 'files':
        return this.#tellFiles(body.channel, body.paths);
      case 'surroundings':
        this.providers = body.providers;
        this.keychain = body.keychain;
        return;
      case 'machines':
        this.machines = body.machines;
        return;
      case 'checking':
        for (const observer of this.#observers) observer.checking?.(body.of, body.checks);
        return;
      case 'questions':
        this.questions = body.questions;
        return;
      case 'transfer':
        return this.transfers.put(body.transfer);
      case 'transfer_removed':
        return this.transfers.remove(body.id);
      case 'forwards':
        this.forwards = body.forwards;
        return;
      case 'settings':
        this.settings = body.settings;
        return;
      case 'focus':
        for (const observer of this.#observers) observer.focus?.(body.channel, body.port);
    }
  }

  #forget(channel: ChannelId): void {
    this.#timelines.delete(channel);
    this.unread.delete(channel);
    for (const observer of this.#observers) observer.gone?.(channel);
  }

  #tellFiles(channel: ChannelId, paths: string[]): void {
    for (const observer of this.#observers) observer.files?.(channel, paths);
  }
}
