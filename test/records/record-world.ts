import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, StoredRecord } from "../../src/core/backend.ts";
import { CorruptRecordError } from "../../src/core/errors.ts";
import { decodeJson, encodeJson } from "../../src/core/json.ts";
import { addStamp, type Stamps } from "../../src/core/stamps.ts";
import type { RecordRules } from "../../src/records/record-rules.ts";
import { SharedRecord } from "../../src/records/shared-record.ts";
import { type ObservedBackend, observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { type PausableRuntime, pausableProcess } from "../locks/pausable-process.ts";

/** A number that only some commands change. */
export interface Tally {
  readonly value: number;
  readonly padding: string;
  readonly stamps: Stamps;
}

/** What can be asked of a {@link Tally}. */
export type TallyCommand =
  /** Refused beyond `max`: changes nothing, and is told `"refused"`. */
  | { readonly kind: "add"; readonly delta: number; readonly max?: number }
  | { readonly kind: "get" }
  | { readonly kind: "set"; readonly value: number }
  | { readonly kind: "pad"; readonly bytes: number }
  | { readonly kind: "throw" };

/** The rules of a {@link Tally}. */
export const tallyRules: RecordRules<Tally, TallyCommand, number | "refused"> = {
  decode(key, value) {
    if (value === null) return { value: 0, padding: "", stamps: [] };
    const tally = decodeJson(key, value) as Partial<Tally> | null;
    if (typeof tally?.value !== "number") throw new CorruptRecordError(`no tally under ${key}`);
    return tally as Tally;
  },
  encode: (state) => encodeJson(state),
  apply(state, command) {
    switch (command.kind) {
      case "add": {
        const value = state.value + command.delta;
        if (value > (command.max ?? Number.POSITIVE_INFINITY)) return { state, answer: "refused" };
        return { state: command.delta === 0 ? state : { ...state, value }, answer: value };
      }
      case "get":
        return { state, answer: state.value };
      case "set":
        return { state: { ...state, value: command.value }, answer: command.value };
      case "pad":
        return { state: { ...state, padding: "x".repeat(command.bytes) }, answer: state.value };
      default:
        throw new RangeError("a command of the test");
    }
  },
  stamp: (state, write) => ({ ...state, stamps: addStamp(state.stamps, write) }),
  stamps: ({ stamps }) => stamps,
  ttlMs: () => undefined,
};

/** One process that uses the tally. */
export interface TallyClient {
  readonly backend: ObservedBackend;
  readonly process: PausableRuntime;
  readonly record: SharedRecord<Tally, TallyCommand, number | "refused">;
}

/** Clients of one tally, on one virtual time. */
export interface TallyWorld {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly clients: readonly TallyClient[];
  client(index: number): TallyClient;
  /** The tally as it stands in the store. */
  stored(): Promise<Tally>;
}

/** The key of the tally. */
export const tallyKey = "default.tally.x";

/** Makes a {@link TallyWorld}. */
export function createTallyWorld(
  options: { readonly clients?: number; readonly seed?: number; readonly tripMs?: number } = {},
): TallyWorld {
  const runtime = createVirtualRuntime({ seed: options.seed ?? 1 });
  const store = memoryBackend({ runtime });
  const oneWayMs = (options.tripMs ?? 0) / 2;
  const makeClient = (): TallyClient => {
    const link = observeBackend(oneWayMs === 0 ? store : slow(store, runtime, oneWayMs));
    const { process, backend } = pausableProcess(runtime, link);
    const target = { backend, runtime: process, key: tallyKey, subject: 'tally "x"', rules: tallyRules };
    return { backend: link, process, record: new SharedRecord(target) };
  };
  const clients = Array.from({ length: options.clients ?? 1 }, makeClient);
  return {
    ...{ runtime, store, clients },
    client: (index) => clients[index] as TallyClient,
    async stored() {
      const [record] = await store.get([tallyKey]);
      return tallyRules.decode(tallyKey, (record as StoredRecord | null)?.value ?? null);
    },
  };
}

/** Lets virtual time pass within the world. */
export function pass(runtime: VirtualRuntime, delayMs: number): Promise<void> {
  return new Promise((resolve) => runtime.schedule(delayMs, resolve));
}

/** A store that is so far away. */
export function slow(store: Backend, runtime: VirtualRuntime, oneWayMs: number): Backend {
  const travel = async <T>(work: () => Promise<T>): Promise<T> => {
    await pass(runtime, oneWayMs);
    try {
      return await work();
    } finally {
      await pass(runtime, oneWayMs);
    }
  };
  return {
    kind: store.kind,
    capabilities: store.capabilities,
    setup: (how) => store.setup(how),
    get: (keys) => travel(() => store.get(keys)),
    scan: (prefix, page) => store.scan(prefix, page),
    commit: (operations) => travel(() => store.commit(operations)),
    add: (key, delta, operation) => travel(() => store.add(key, delta, operation)),
    time: () => travel(() => store.time()),
    watch: (prefix, listener) => store.watch(prefix, listener),
    wake: (to, hint) => store.wake(to, hint),
    onWake: (to, listener) => store.onWake(to, listener),
    close: () => store.close(),
  };
}
