import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, Capabilities, ChangeHint, StoredRecord } from "../../src/core/backend.ts";
import { UnavailableError } from "../../src/core/errors.ts";
import {
  type Change,
  type Coordinator,
  createCoordinator,
  type KeyValue,
  type Reset,
} from "../../src/index.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";

/** What a watcher's way to the store does, until a test says otherwise. */
export interface Way {
  /** Every request fails: the store is away. */
  isAway: boolean;
  /** What becomes of hints. */
  hints: "pass" | "lose" | "hold" | "without record";
  /** Hints that are held back, oldest first. */
  readonly held: ChangeHint[];
  /** Lets held hints through in this order. */
  release(hints?: readonly ChangeHint[]): void;
  /** Reads answer what is there now, for ever; `undefined`: what is there. */
  stale: ReadonlyMap<string, StoredRecord> | undefined;
  /** What is there now, to become `stale`. */
  snapshot(): Promise<ReadonlyMap<string, StoredRecord>>;
  /** Done before a page is answered. */
  onScan: (() => Promise<void>) | undefined;
  /** Done before a check that was made is answered. */
  onChecked: (() => Promise<void>) | undefined;
  /** Checks are refused with this. */
  checkRefusal: Error | undefined;
  /** Requests since they were last looked at. */
  readonly counts: { scans: number; gets: number; commits: number };
  /** Subscriptions that are open. */
  readonly listeners: number;
}

/** One process that writes, and one that watches, with a way of its own to the store. */
export interface WatchWorld {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly writer: Coordinator;
  readonly watcher: Coordinator;
  readonly way: Way;
  /** The entries that the tests are about, as the writer sees them. */
  readonly entries: KeyValue<number>;
  /** The same, as the watcher does. */
  readonly watched: KeyValue<number>;
}

/** Makes a {@link WatchWorld}. */
export function createWatchWorld(changes: Partial<Capabilities> = {}): WatchWorld {
  const runtime = createVirtualRuntime();
  const store = memoryBackend({ runtime });
  const { way, backend } = tamper(store, { ...store.capabilities, ...changes });
  const writer = createCoordinator(store, { runtime });
  const watcher = createCoordinator(backend, { runtime });
  const [entries, watched] = [writer.kv<number>("data"), watcher.kv<number>("data")];
  return { runtime, store, writer, watcher, way, entries, watched };
}

function tamper(store: Backend, capabilities: Capabilities): { way: Way; backend: Backend } {
  const listeners = new Set<(hint: ChangeHint) => void>();
  const way = {
    isAway: false,
    hints: "pass" as Way["hints"],
    held: [] as ChangeHint[],
    release(hints: readonly ChangeHint[] = way.held.splice(0)) {
      for (const hint of hints) for (const listener of listeners) listener(hint);
    },
    stale: undefined as Way["stale"],
    async snapshot() {
      const { records } = await store.scan("", { limit: 1_000 });
      return new Map(records.map((record) => [record.key, record]));
    },
    onScan: undefined as Way["onScan"],
    onChecked: undefined as Way["onChecked"],
    checkRefusal: undefined as Way["checkRefusal"],
    counts: { scans: 0, gets: 0, commits: 0 },
    get listeners() {
      return listeners.size;
    },
  };
  const reach = (): void => {
    if (way.isAway) throw new UnavailableError("a test took the store away");
  };
  const backend: Backend = {
    ...store,
    kind: store.kind,
    capabilities,
    setup: () => store.setup(),
    async get(keys) {
      way.counts.gets += 1;
      reach();
      const { stale } = way;
      return stale === undefined ? store.get(keys) : keys.map((key) => stale.get(key) ?? null);
    },
    async scan(prefix, page) {
      way.counts.scans += 1;
      await way.onScan?.();
      reach();
      const { stale } = way;
      if (stale === undefined) return store.scan(prefix, page);
      return { records: [...stale.values()].filter(({ key }) => key.startsWith(prefix)) };
    },
    async commit(operations) {
      way.counts.commits += 1;
      reach();
      if (way.checkRefusal !== undefined && operations[0]?.kind === "check") throw way.checkRefusal;
      const result = await store.commit(operations);
      if (operations[0]?.kind === "check") await way.onChecked?.();
      return result;
    },
    add: (key, delta, operation) => store.add(key, delta, operation),
    async time() {
      reach();
      return store.time();
    },
    watch(prefix, listener) {
      const heard = (hint: ChangeHint): void => {
        if (way.hints === "pass") listener(hint);
        else if (way.hints === "without record") listener({ key: hint.key });
        else if (way.hints === "hold") way.held.push(hint);
      };
      if (capabilities.watch === "none") return () => undefined;
      listeners.add(listener);
      const stop = store.watch(prefix, heard);
      return () => {
        stop();
        listeners.delete(listener);
      };
    },
    wake: () => undefined,
    onWake: () => () => undefined,
    close: () => store.close(),
  };
  return { way, backend };
}

/** Someone who takes each change as it comes. */
export interface Reader {
  readonly changes: (Change<number> | Reset)[];
  readonly state: "reading" | "done" | "failed";
  readonly error: unknown;
  /** As short texts: `put a=1`, `+put a=1` for an initial one, `delete a`. Empties the list. */
  take(): string[];
  stop(): Promise<unknown>;
}

/** Reads all that comes. */
export function readAll(changes: AsyncIterable<Change<number> | Reset>): Reader {
  const iterator = changes[Symbol.asyncIterator]();
  const reader = {
    changes: [] as (Change<number> | Reset)[],
    state: "reading" as Reader["state"],
    error: undefined as unknown,
    take: () => reader.changes.splice(0).map(textOf),
    stop: async () => iterator.return?.(),
  };
  const read = async (): Promise<void> => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      reader.changes.push(next.value);
    reader.state = "done";
  };
  read().catch((error: unknown) => Object.assign(reader, { state: "failed", error }));
  return reader;
}

/** A change as a short text. */
export function textOf(change: Change<number> | Reset): string {
  const sign = change.isInitial ? "+" : "";
  if (change.operation === "reset") return "reset";
  const { operation, key } = change;
  return operation === "put" ? `${sign}put ${key}=${change.value}` : `${sign}${operation} ${key}`;
}

/** Lets everything happen that waits for no timer, however long its chains of promises are. */
export async function settleAll(runtime: VirtualRuntime): Promise<void> {
  for (let settled = 0; settled < 50; settled += 1) await runtime.settle();
}
