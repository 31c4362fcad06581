import { conflictPauseMs } from "../core/backoff.ts";
import { describe, parseDuration } from "../core/durations.ts";
import { AbortedError, ClosedError, ContentionError, InvalidArgumentError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { sleep } from "../core/runtime.ts";
import { createKeyValue, entriesOf } from "../kv/create-key-value.ts";
import type { KeyValue } from "../kv/key-value.ts";
import { parseCount } from "../kv/key-value-options.ts";
import type { KeyValueHost } from "../kv/typed-entries.ts";
import { Committer, heldGrants, type TransactionHost } from "./committer.ts";
import { Run } from "./run.ts";
import { Sightings } from "./sightings.ts";
import type { Isolation, Transaction, TransactionKeyValue, TransactionOptions } from "./transaction.ts";
import { checkFunction, TransactionEntries } from "./transaction-entries.ts";

const isolations: readonly string[] = [
  "serializable-snapshot",
  "serializable",
  "repeatable-reads",
  "read-committed",
] satisfies readonly Isolation[];
const attemptsDefault = 100;
/** The key-value namespace of plain keys. */
const defaultStore = "default";
const optionNames = ["isolation", "attempts", "timeout", "signal"];

/** What {@link runTransaction} needs. */
export interface TransactionRunner extends TransactionHost {
  readonly keyValues: KeyValueHost;
}

/** Runs the function until what it wants is committed in the view that it had. See `Coordinator.transaction`. */
export async function runTransaction<R>(
  host: TransactionRunner,
  work: (tx: Transaction) => R | PromiseLike<R>,
  options: TransactionOptions = {},
): Promise<R> {
  checkOptions("transaction", options, optionNames);
  checkFunction("the function of a transaction", work);
  const { isolation = "serializable-snapshot", timeout, signal } = options;
  const attempts = parseCount("attempts", options.attempts, attemptsDefault);
  checkSignal(signal);
  if (!isolations.includes(isolation)) {
    throw new InvalidArgumentError(
      `isolation must be one of ${isolations.join(", ")}; got ${describe(isolation)}`,
    );
  }
  const timeoutMs = timeout === undefined ? undefined : parseDuration("timeout", timeout, { minMs: 1 });
  const { runtime } = host.records;
  const stop = new AbortController();
  const giveUp = (why: string, cause: unknown): void => {
    stop.abort(new AbortedError(`${why}; nothing of the transaction was applied`, { cause }));
  };
  const onAbort = (): void => giveUp("the caller gave up", signal?.reason);
  const onTimeout = (): void =>
    giveUp(`it did not end within ${timeoutMs} ms`, new DOMException("timeout", "TimeoutError"));
  const cancel = timeoutMs === undefined ? undefined : runtime.schedule(timeoutMs, onTimeout);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await runToEnd(host, work, { isolation, attempts, signal: stop.signal });
  } finally {
    cancel?.();
    signal?.removeEventListener("abort", onAbort);
  }
}

async function runToEnd<R>(
  host: TransactionRunner,
  work: (tx: Transaction) => R | PromiseLike<R>,
  { isolation, attempts, signal }: Required<Pick<TransactionOptions, "isolation" | "attempts" | "signal">>,
): Promise<R> {
  const { backend, runtime, clock } = host.records;
  const sightings = new Sightings(backend);
  const committer = new Committer(host, sightings, isolation, () => signal.throwIfAborted());
  let prefetched: Iterable<string> = [];
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    signal.throwIfAborted();
    const startedMs = runtime.monotonicMs();
    const run = new Run({ sightings, clock, isolation, attempt, prefetched });
    const tx = createTransaction(host, run, isolation);
    try {
      const result = await runOnce(() => work(tx), run, signal);
      if (!run.isDoomed && (await committer.commit(run))) return result;
    } catch (error) {
      // What it threw in a run that is not committed may come from there.
      if (!run.isDoomed || signal.aborted) throw error;
    }
    prefetched = run.used.keys();
    if (attempt % 2 === 1) continue;
    const pauseMs = conflictPauseMs(runtime, attempt, runtime.monotonicMs() - startedMs);
    await sleep(runtime, pauseMs, { holdsProcessOpen: true, signal });
    // Who writes over a view that is older than the pause loses for ever against one busy client.
    sightings.forget();
  }
  throw new ContentionError(
    `others changed what a transaction had read before each of ${attempts} runs could be committed; nothing was applied. Let ` +
      "fewer change the same keys at once, or take turns with a lock",
    { tries: attempts },
  );
}

/** One run of the function, which can do nothing more when it has ended, or the caller has given up. */
async function runOnce<R>(work: () => R | PromiseLike<R>, run: Run, signal: AbortSignal): Promise<R> {
  let onAbort = (): void => undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      run.end(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    const result = await Promise.race([(async () => work())(), givenUp]);
    run.assertWritten();
    return result;
  } finally {
    signal.removeEventListener("abort", onAbort);
    run.end(
      new ClosedError(
        "this run of the transaction is over: its function has returned, or thrown. Await within it what belongs to it",
      ),
    );
  }
}

function createTransaction(host: TransactionRunner, run: Run, isolation: Isolation): Transaction {
  const viewOf = <T, In>(store: string | KeyValue<T, In>): TransactionEntries<T, In> => {
    run.assertOpen();
    const opened = typeof store === "string" ? createKeyValue<T, In>(host.keyValues, [store]) : store;
    const entries = typeof opened === "object" && opened !== null ? entriesOf(opened) : undefined;
    if (entries !== undefined && entries.store.host === host.records) {
      return new TransactionEntries(run, entries, isolation);
    }
    throw new InvalidArgumentError(
      `tx.kv takes a key-value store of the same coordinator, or a namespace; got ${
        entries === undefined ? describe(store) : "a store of another coordinator"
      }`,
    );
  };
  const plain = viewOf<unknown, unknown>(defaultStore);
  return {
    attempt: run.attempt,
    get: <T>(key: string) => plain.get(key) as Promise<T | undefined>,
    getMany: <T>(keys: readonly string[]) => plain.getMany(keys) as Promise<readonly (T | undefined)[]>,
    has: (key) => plain.has(key),
    set: (key, value, options) => plain.set(key, value, options),
    setIfAbsent: (key, value, options) => plain.setIfAbsent(key, value, options),
    delete: (key) => plain.delete(key),
    update: (key, change, options) => plain.update(key, change as never, options),
    increment: (key, by, options) => plain.increment(key, by, options),
    kv: <T, In>(store: string | KeyValue<T, In>): TransactionKeyValue<T, In> => viewOf(store),
    guard(grant) {
      run.assertOpen();
      for (const held of heldGrants(host, grant)) run.guards.add(held);
    },
    alongside(write) {
      run.assertOpen();
      run.alongside.push(write);
    },
  };
}
