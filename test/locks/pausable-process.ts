import type { Backend } from "../../src/core/backend.ts";
import type { Runtime } from "../../src/core/runtime.ts";

type Work = () => void;

/** The runtime of a process that can be stopped, as by SIGSTOP or a debugger. */
export interface PausableRuntime extends Runtime {
  pause(): void;
  resume(first?: "timers" | "answers"): void;
}

/** A process on a runtime that it shares with others, and its connection to a store. */
export function pausableProcess(
  shared: Runtime,
  store: Backend,
): { readonly process: PausableRuntime; readonly backend: Backend } {
  let isPaused = false;
  let timers: Work[] = [];
  let answers: Work[] = [];

  const receive = (work: Work): void => {
    if (isPaused) answers.push(work);
    else work();
  };
  const answerTo = <T>(request: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.then(
        (value) => receive(() => resolve(value)),
        (error: unknown) => receive(() => reject(error)),
      );
    });

  const process: PausableRuntime = {
    ...{ monotonicMs: shared.monotonicMs, wallMs: shared.wallMs, uptimeMs: shared.uptimeMs },
    ...{ random: shared.random, id: shared.id },
    schedule(delayMs, callback) {
      let isCancelled = false;
      const fire = (): void => {
        if (!isCancelled) callback();
      };
      const cancel = shared.schedule(delayMs, () => (isPaused ? timers.push(fire) : fire()));
      return () => {
        isCancelled = true;
        cancel();
      };
    },
    pause() {
      isPaused = true;
    },
    resume(first = "timers") {
      isPaused = false;
      const due = first === "timers" ? [...timers, ...answers] : [...answers, ...timers];
      timers = [];
      answers = [];
      // Each in a turn of its own, as an event loop would.
      void due.reduce((before, work) => before.then(work).then(turns), Promise.resolve());
    },
  };
  const backend: Backend = {
    kind: store.kind,
    capabilities: store.capabilities,
    setup: (options) => store.setup(options),
    get: (keys, options) => answerTo(store.get(keys, options)),
    scan: (prefix, page) => answerTo(store.scan(prefix, page)),
    commit: (operations, options) => answerTo(store.commit(operations, options)),
    add: (key, delta, operation) => answerTo(store.add(key, delta, operation)),
    time: () => answerTo(store.time()),
    watch: (prefix, listener) => store.watch(prefix, (hint) => receive(() => listener(hint))),
    wake: (client, hint) => store.wake(client, hint),
    onWake: (client, listener) => store.onWake(client, (hint) => receive(() => listener(hint))),
    close: () => store.close(),
  };
  return { process, backend };
}

/** Lets the chains of promises that hang on one event run to their end. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
