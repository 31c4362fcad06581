// Goal: whatever fails in the background, no rejection is left unhandled: it would end the user's process.
import { afterEach, beforeEach, expect, test } from "vitest";
import { everything, type FaultKind, plant } from "./faults.ts";
import { createWorld, track, ttlMs } from "./world.ts";

const unhandled: unknown[] = [];
const listener = (reason: unknown): void => {
  unhandled.push(reason);
};
let others: NodeJS.UnhandledRejectionListener[] = [];

beforeEach(() => {
  others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", listener);
});

afterEach(() => {
  process.removeAllListeners("unhandledRejection");
  for (const other of others) process.on("unhandledRejection", other);
});

const faults: readonly FaultKind[] = [
  "lost before",
  "lost after",
  "lost slowly",
  "applied late",
  "held back",
];

test.each(faults)(
  "when every request is %s, from any moment on, callers get their errors and nobody else does",
  async (fault) => {
    for (let from = 0; from < 12; from += 1) {
      const world = createWorld({ clients: 3 });
      const { runtime } = world;
      let seen = 0;
      const planted = plant(world.client(0).backend, fault, (request) => {
        seen += 1;
        return seen > from && (request.kind === "commit" || everything(request));
      });
      const abort = new AbortController();
      const { lock, coordinator } = world.client(0);
      const calls = [
        lock.acquire({ wait: ttlMs }).then((grant) => grant.release()),
        lock.acquire({ signal: abort.signal }).then((grant) => grant.release()),
        lock.tryAcquire().then((grant) => grant?.release()),
        coordinator.lock("other").hold(() => undefined),
        world.client(1).lock.hold(() => undefined),
      ].map((call) => track<unknown>(runtime, call));
      await runtime.advance(ttlMs / 2);
      abort.abort();
      await runtime.advance(2 * ttlMs);
      const closing = track(runtime, coordinator.close());
      await runtime.advance(2 * ttlMs);
      await planted.end();
      await runtime.advance(ttlMs);
      expect(closing.state).toBe("resolved");
      expect(calls.filter(({ state }) => state === "pending")).toEqual([]);
      // Node reports a rejection only after the microtasks have run.
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    }
  },
);
