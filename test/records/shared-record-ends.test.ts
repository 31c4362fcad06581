// Goal: who gives up what he asked of a record is told at once as long as it was not sent, and what was sent is told as it
// was; a record is idle when it says so, and the pool keeps what must be kept.
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { AbortedError, ClosedError } from "../../src/index.ts";
import { type Pooled, RecordPool } from "../../src/records/record-pool.ts";
import { plant } from "../locks/faults.ts";
import { now, track } from "../locks/world.ts";
import { createTallyWorld, type TallyCommand } from "./record-world.ts";

const add: TallyCommand = { kind: "add", delta: 1 };
const isWrite = (request: { readonly kind: string }): boolean => request.kind === "commit";

test("a signal that fired before is told at once, and nothing is sent", async () => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  const reason = new Error("changed my mind");
  const given = track(runtime, record.run(add, AbortSignal.abort(reason)));
  await runtime.settle();
  expect(given.error).toBeInstanceOf(AbortedError);
  expect((given.error as AbortedError).cause).toBe(reason);
  expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
  expect(record.isBusy).toBe(false);
});

test("a signal that fires while the command waits for a write before it is told at once, and leaves no listener", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  const fault = plant(backend, "held back", isWrite, 1);
  const first = track(runtime, record.run(add));
  await runtime.settle();
  const controller = new AbortController();
  const queued = track(runtime, record.run(add, controller.signal));
  const kept = new AbortController();
  const last = track(runtime, record.run(add, kept.signal));
  await runtime.settle();
  controller.abort();
  await runtime.settle();
  expect(queued.error).toBeInstanceOf(AbortedError);
  expect(first.state).toBe("pending");
  await fault.end();
  await runtime.settle();
  expect([first.value, last.value]).toEqual([1, 2]);
  expect((await stored()).value).toBe(2);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  expect(getEventListeners(kept.signal, "abort")).toEqual([]);
});

test("a signal that fires while the write is in flight comes too late: the answer tells what happened", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  const controller = new AbortController();
  const fault = plant(backend, "held back", isWrite, 1);
  const sent = track(runtime, record.run(add, controller.signal));
  await runtime.settle();
  controller.abort();
  await runtime.settle();
  expect(sent.state).toBe("pending");
  await fault.end();
  await runtime.settle();
  expect(sent.value).toBe(1);
  expect((await stored()).value).toBe(1);
});

test("a signal that fires between two attempts takes the command out of the next one", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 2 });
  const { record, backend } = client(0);
  await now(runtime, record.run(add));
  const controller = new AbortController();
  let isFirst = true;
  backend.intercept(async (request, send) => {
    if (request.kind === "commit" && isFirst) {
      isFirst = false;
      await client(1).record.run(add);
      const answer = await send();
      controller.abort();
      return answer;
    }
    return send();
  });
  const outcomes = [record.run(add, controller.signal), record.run(add)].map((run) => track(runtime, run));
  await runtime.advance(1_000);
  expect(outcomes[0]?.error).toBeInstanceOf(AbortedError);
  expect(outcomes[1]?.value).toBe(3);
  expect((await stored()).value).toBe(3);
});

test("close resolves when what was asked is answered, also for what came meanwhile", async () => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  await now(runtime, record.close());
  const fault = plant(backend, "held back", isWrite, 1);
  const first = track(runtime, record.run(add));
  const closed = track(runtime, record.close());
  await runtime.settle();
  const second = track(runtime, record.run(add));
  await runtime.settle();
  expect([closed.state, record.isBusy]).toEqual(["pending", true]);
  await fault.end();
  await runtime.settle();
  expect([first.value, second.value, closed.state, record.isBusy]).toEqual([1, 2, "resolved", false]);
});

test("close resolves also where everything fails", async () => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  plant(backend, "lost after", () => true);
  const first = track(runtime, record.run(add));
  const closed = track(runtime, record.close());
  await runtime.advance(60_000);
  expect([first.state, closed.state]).toEqual(["rejected", "resolved"]);
});

test("a process that stands still in the middle of a write that was applied is told what it did", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 2, tripMs: 10 });
  const { record, process } = client(0);
  const first = track(runtime, record.run(add));
  await runtime.advance(15);
  process.pause();
  await runtime.advance(60_000);
  const other = track(runtime, client(1).record.run(add));
  await runtime.advance(100);
  expect(other.value).toBe(2);
  process.resume("timers");
  await runtime.advance(100);
  expect(first.value).toBe(1);
  expect((await stored()).value).toBe(2);
});

function pooled(isBusy: () => boolean, closed: string[] = [], name = ""): Pooled {
  return {
    get isBusy() {
      return isBusy();
    },
    async close() {
      closed.push(name);
    },
  };
}

test("the pool makes each once, and forgets those that were used longest ago, never a busy one", () => {
  const pool = new RecordPool();
  let made = 0;
  const get = (key: string, isBusy = false): Pooled =>
    pool.get(key, () => {
      made += 1;
      return pooled(() => isBusy);
    });
  const busy = Array.from({ length: 20 }, (_, index) => get(`busy ${index}`, true));
  const first = get("first");
  for (let index = 0; index < 9_979; index += 1) get(`key ${index}`);
  expect(made).toBe(10_000);
  expect(get("first")).toBe(first);
  for (let index = 0; index < 3_000; index += 1) get(`more ${index}`);
  expect(made).toBe(13_000);
  expect(get("first")).toBe(first);
  expect(busy.map((_, index) => get(`busy ${index}`))).toEqual(busy);
  expect(made).toBe(13_000);
  get("key 0");
  expect(made).toBe(13_001);
});

test("a pool that is closed closes them all and makes no more", async () => {
  const pool = new RecordPool();
  const closed: string[] = [];
  for (const name of ["a", "b", "c"]) pool.get(name, () => pooled(() => false, closed, name));
  await pool.close();
  expect(closed).toEqual(["a", "b", "c"]);
  expect(() => pool.get("a", () => pooled(() => false))).toThrow(ClosedError);
});
