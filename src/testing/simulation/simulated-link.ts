import type {
  AddOperation,
  Backend,
  Capabilities,
  ChangeHint,
  CommitResult,
  Operation,
  ScanPage,
  StoredRecord,
  StoreTime,
  Unsubscribe,
} from "../../core/backend.ts";
import { applyAdd, decodeCounter, emptyCounter, encodeCounter } from "../../core/counter-record.ts";
import { OutcomeUnknownError, UnavailableError } from "../../core/errors.ts";
import { PrefixListeners } from "../../core/prefix-listeners.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { type SimulatedStore, storeEpochMs } from "./simulated-store.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a network is told about a request. */
export interface SimulatedRequest {
  readonly by: SimulatedProcess;
  readonly what: "get" | "scan" | "commit" | "add" | "time";
  /** Of a commit. */
  readonly operations?: readonly Operation[];
}

/** What becomes of a request. */
export interface Fate {
  /**
   * `refused`: fails at once, known not to be applied, as a connection that is refused or a throttled request.
   * `request lost` and `reply lost`: the process waits in vain, until it gives up.
   */
  readonly end: "answered" | "refused" | "request lost" | "reply lost";
  readonly outboundMs: number;
  readonly inboundMs: number;
  /** A read is answered with what stood there at this time; `undefined`: with what stands there. */
  readonly asOfMs: number | undefined;
}

/** Decides what becomes of everything on its way between processes and the store. */
export interface Network {
  /** When a process gives up waiting for an answer. */
  readonly timeoutMs: number;
  fateOf(request: SimulatedRequest): Fate;
  /** When a hint arrives: never, once, or several times. */
  hintDelaysMs(to: SimulatedProcess): readonly number[];
  /** Told, when it happens, of what nobody inside the world can know. */
  notice(by: SimulatedProcess, what: "stale read" | "unanswered write"): void;
  /** Told when a process receives the answer to a commit. */
  answered(by: SimulatedProcess, operations: readonly Operation[], result: CommitResult): void;
}

/** What the processes of a world share. */
export interface SimulatedWorld {
  readonly time: VirtualTime;
  readonly store: SimulatedStore;
  readonly network: Network;
  readonly capabilities: Capabilities;
  /** Whether a conflict brings the record that it met. */
  readonly conflictsTellCurrent: boolean;
  /** Whether a hint brings the record that it is about. */
  readonly hintsTellRecord: boolean;
  /** In steps of how many milliseconds the store tells its time; left out: exactly. */
  readonly storeClockGrainMs?: number;
  /** Whom a wake reaches. */
  wake(clientId: string, hint: string): void;
}

/** One process's way to the store: a {@link Backend} whose requests and hints take time, and may get lost. */
export class SimulatedLink implements Backend {
  readonly kind = "simulated";
  readonly capabilities: Capabilities;
  readonly #world: SimulatedWorld;
  readonly #process: SimulatedProcess;
  readonly #watchers = new PrefixListeners();
  readonly #wakeListeners = new Map<string, (hint: string) => void>();

  constructor(world: SimulatedWorld, process: SimulatedProcess) {
    this.#world = world;
    this.#process = process;
    this.capabilities = world.capabilities;
  }

  async setup(): Promise<void> {}

  get(keys: readonly string[]): Promise<readonly (StoredRecord | null)[]> {
    const { store, network } = this.#world;
    const by = this.#process;
    return this.#request({ by, what: "get" }, ({ asOfMs }) => {
      const records = keys.map((key) => store.get(key));
      if (asOfMs === undefined) return records;
      const stale = keys.map((key) => store.get(key, asOfMs));
      const isStale = stale.some((record, index) => record?.version !== records[index]?.version);
      if (isStale) network.notice(by, "stale read");
      return stale;
    });
  }

  scan(prefix: string): Promise<ScanPage> {
    const { store } = this.#world;
    return this.#request({ by: this.#process, what: "scan" }, () => {
      const keys = store.keys.filter((key) => key.startsWith(prefix)).sort();
      return { records: keys.map((key) => store.get(key)).filter((record) => record !== null) };
    });
  }

  commit(operations: readonly Operation[]): Promise<CommitResult> {
    const { store, time, conflictsTellCurrent, network } = this.#world;
    const by = this.#process;
    const answer = this.#request({ by, what: "commit", operations }, (): CommitResult => {
      const result = store.commit(operations, by.name, time.nowMs);
      if (result.committed || conflictsTellCurrent) return result;
      return { committed: false, conflicts: result.conflicts.map(({ key }) => ({ key })) };
    });
    return answer.then((result) => {
      network.answered(by, operations, result);
      return result;
    });
  }

  add(key: string, delta: number, operation: AddOperation): Promise<number> {
    const { store, time } = this.#world;
    const by = this.#process;
    return this.#request({ by, what: "add" }, () => {
      const current = store.get(key);
      const counter = current === null ? emptyCounter : decodeCounter(key, current.value);
      const added = applyAdd(counter, delta, operation);
      if (added.applied) {
        const put = { kind: "put", key, value: encodeCounter(added.counter) } as const;
        store.commit([put], by.name, time.nowMs);
      }
      return added.sum;
    });
  }

  async time(): Promise<StoreTime> {
    const { time, storeClockGrainMs: grainMs = 0 } = this.#world;
    const { clock } = this.#process;
    const sentMs = clock.monotonicMs();
    const earliestMs = await this.#request({ by: this.#process, what: "time" }, () => {
      const nowMs = storeEpochMs + time.nowMs;
      return grainMs === 0 ? nowMs : grainMs * Math.floor(nowMs / grainMs);
    });
    return { earliestMs, latestMs: earliestMs + grainMs + clock.monotonicMs() - sentMs };
  }

  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe {
    return this.#watchers.add(prefix, listener);
  }

  wake(clientId: string, hint: string): void {
    this.#world.wake(clientId, hint);
  }

  onWake(clientId: string, listener: (hint: string) => void): Unsubscribe {
    this.#wakeListeners.set(clientId, listener);
    return () => this.#wakeListeners.delete(clientId);
  }

  async close(): Promise<void> {
    this.#watchers.clear();
    this.#wakeListeners.clear();
  }

  /** A change was committed: tells who watches here, as the network pleases. */
  hear(key: string, record: StoredRecord | null): void {
    const { hintsTellRecord } = this.#world;
    if (!this.#watchers.hears(key)) return;
    this.#hint(() => this.#watchers.notify(hintsTellRecord ? { key, record } : { key }));
  }

  /** Somebody woke a client; it may be this one. */
  nudge(clientId: string, hint: string): void {
    if (this.#wakeListeners.has(clientId)) this.#hint(() => this.#wakeListeners.get(clientId)?.(hint));
  }

  #hint(tell: () => void): void {
    const { network, time } = this.#world;
    for (const delayMs of network.hintDelaysMs(this.#process)) {
      time.after(delayMs, () => this.#process.receive(tell));
    }
  }

  #request<T>(request: SimulatedRequest, apply: (fate: Fate) => T): Promise<T> {
    const { network, time } = this.#world;
    const { by, what } = request;
    const isWrite = what === "commit" || what === "add";
    const fate = network.fateOf(request);
    const { end, outboundMs, inboundMs } = fate;
    return new Promise((resolve, reject) => {
      let isWaiting = true;
      const giveUp = time.after(network.timeoutMs, () => {
        isWaiting = false;
        by.receive(() =>
          reject(
            isWrite ? new OutcomeUnknownError("no answer came") : new UnavailableError("no answer came"),
          ),
        );
      });
      const answer = (settle: () => void): void => {
        time.after(inboundMs, () => {
          giveUp();
          by.receive(settle);
        });
      };
      if (end === "request lost") return;
      if (end === "refused") return answer(() => reject(new UnavailableError("the store is busy")));
      time.after(outboundMs, () => {
        let settle: () => void;
        try {
          const value = apply(fate);
          settle = () => resolve(value);
        } catch (error) {
          settle = () => reject(error);
        }
        const isAnswered = end === "answered" && isWaiting;
        if (isWrite && !isAnswered) network.notice(by, "unanswered write");
        if (isAnswered) answer(settle);
      });
    });
  }
}
