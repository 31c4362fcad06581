import type { Backend, Operation, RequestOptions } from "../../src/index.ts";
import { sharedNowMs } from "./history.ts";
import type { LogWriter } from "./worker-log.ts";
import { codeOf } from "./workloads/workbench.ts";

/**
 * A backend that writes down which of its requests failed, when a session was opened, and which heartbeats were
 * confirmed. Changes nothing.
 */
export function loggedStore(store: Backend, log: LogWriter): Backend {
  async function logged<R>(doing: string, request: Promise<R>): Promise<R> {
    try {
      return await request;
    } catch (error) {
      log.write({ event: "store-failed", doing, code: codeOf(error) });
      throw error;
    }
  }

  async function commit(operations: readonly Operation[], options?: RequestOptions) {
    if (options?.urgent !== true) return logged("commit", store.commit(operations, options));
    const [operation] = operations;
    if (operation?.kind === "put" && operation.expect === null) log.write({ event: "session" });
    const sentAt = sharedNowMs();
    const result = await logged("heartbeat", store.commit(operations, options));
    if (result.committed) log.write({ event: "renewed", sentAt });
    return result;
  }

  return {
    kind: store.kind,
    get capabilities() {
      return store.capabilities;
    },
    setup: (options) => store.setup(options),
    get: (keys, options) => logged("get", store.get(keys, options)),
    scan: (prefix, page) => logged("scan", store.scan(prefix, page)),
    commit,
    add: (key, delta, operation) => store.add(key, delta, operation),
    time: () => logged("time", store.time()),
    watch: (prefix, listener) => store.watch(prefix, listener),
    wake: (clientId, hint) => store.wake(clientId, hint),
    onWake: (clientId, listener) => store.onWake(clientId, listener),
    close: () => store.close(),
  };
}
