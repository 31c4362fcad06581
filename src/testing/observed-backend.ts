import type {
  AddOperation,
  Backend,
  CommitResult,
  Operation,
  StoredRecord,
  StoreTime,
} from "../core/backend.ts";

/** A request to a backend, as a fault or a counter sees it. */
export type BackendRequest =
  | { readonly kind: "get"; readonly keys: readonly string[] }
  | { readonly kind: "commit"; readonly operations: readonly Operation[] }
  | { readonly kind: "add"; readonly key: string; readonly delta: number; readonly operation: AddOperation }
  | { readonly kind: "time" };

/** The answer to an add, as an interceptor sees it. */
export interface AddResult {
  readonly sum: number;
}

/** What may happen to a request on its way: called instead of the real thing, with the real thing to call. */
export type Interceptor = <R extends readonly (StoredRecord | null)[] | CommitResult | AddResult | StoreTime>(
  request: BackendRequest,
  send: () => Promise<R>,
) => Promise<R>;

/** A backend whose requests are counted and can be tampered with. */
export interface ObservedBackend extends Backend {
  /** Requests since the last {@link ObservedBackend.resetCounts}. */
  readonly counts: { reads: number; writes: number; wakes: number };
  resetCounts(): void;
  /** Replaces the interceptor; `undefined` lets requests through untouched. */
  intercept(interceptor: Interceptor | undefined): void;
}

/** Wraps a backend: counts requests, and lets a test lose, delay or forge them. */
export function observeBackend(backend: Backend): ObservedBackend {
  const counts = { reads: 0, writes: 0, wakes: 0 };
  let interceptor: Interceptor | undefined;
  const through = <R extends readonly (StoredRecord | null)[] | CommitResult | AddResult | StoreTime>(
    request: BackendRequest,
    send: () => Promise<R>,
  ): Promise<R> => (interceptor === undefined ? send() : interceptor(request, send));
  return {
    kind: backend.kind,
    get capabilities() {
      return backend.capabilities;
    },
    counts,
    resetCounts: () => Object.assign(counts, { reads: 0, writes: 0, wakes: 0 }),
    intercept(next) {
      interceptor = next;
    },
    setup: (options) => backend.setup(options),
    get(keys, options) {
      counts.reads += 1;
      return through({ kind: "get", keys }, () => backend.get(keys, options));
    },
    scan: (prefix, page) => backend.scan(prefix, page),
    commit(operations, options) {
      counts.writes += 1;
      return through({ kind: "commit", operations }, () => backend.commit(operations, options));
    },
    add(key, delta, operation) {
      counts.writes += 1;
      const send = async (): Promise<AddResult> => ({ sum: await backend.add(key, delta, operation) });
      return through({ kind: "add", key, delta, operation }, send).then(({ sum }) => sum);
    },
    time() {
      counts.reads += 1;
      return through({ kind: "time" }, () => backend.time());
    },
    watch: (prefix, listener) => backend.watch(prefix, listener),
    wake(clientId, hint) {
      counts.wakes += 1;
      backend.wake(clientId, hint);
    },
    onWake: (clientId, listener) => backend.onWake(clientId, listener),
    close: () => backend.close(),
  };
}
