// Goal: what one client asks of one record costs as few requests as can be, happens once whatever becomes of requests
// and answers, and is told in order; nobody waits for ever.
import { expect, test } from "vitest";
import type { Operation } from "../../src/core/backend.ts";
import { stampsMax } from "../../src/core/stamps.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { plant } from "../locks/faults.ts";
import { now, track } from "../locks/world.ts";
import { createTallyWorld, type TallyCommand, tallyKey } from "./record-world.ts";

const add = (delta = 1, max?: number): TallyCommand =>
  max === undefined ? { kind: "add", delta } : { kind: "add", delta, max };
const get: TallyCommand = { kind: "get" };
const isWrite = (request: { readonly kind: string }): boolean => request.kind === "commit";

test.each([1, 2, 1_000])("%i commands of one turn are one read and one write, then one write", async (k) => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  const round = () => Promise.all(Array.from({ length: k }, () => record.run(add())));
  expect(await now(runtime, round())).toEqual(Array.from({ length: k }, (_, index) => index + 1));
  expect(backend.counts).toMatchObject({ reads: 1, writes: 1 });
  backend.resetCounts();
  expect(await now(runtime, round())).toEqual(Array.from({ length: k }, (_, index) => k + index + 1));
  expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
});

test.each([1, 2, 1_000])("%i commands of one turn that change nothing are one read", async (k) => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  await now(runtime, record.run(add(5)));
  backend.resetCounts();
  const answers = await now(
    runtime,
    Promise.all(Array.from({ length: k }, (_, index) => record.run(index % 2 === 0 ? get : add(1, 5)))),
  );
  expect(answers).toEqual(Array.from({ length: k }, (_, index) => (index % 2 === 0 ? 5 : "refused")));
  expect(backend.counts).toMatchObject({ reads: 1, writes: 0 });
});

test("what comes while a write is in flight rides together in the next one, and sees the one before", async () => {
  const { client, runtime } = createTallyWorld();
  const { record, backend } = client(0);
  const fault = plant(backend, "held back", isWrite, 1);
  const first = track(runtime, record.run(add()));
  await runtime.settle();
  const others = Array.from({ length: 50 }, (_, index) =>
    track(runtime, record.run(index === 25 ? get : add())),
  );
  await runtime.settle();
  expect(first.state).toBe("pending");
  await fault.end();
  await runtime.settle();
  expect(first.value).toBe(1);
  expect(others.map(({ value }) => value)).toEqual([
    ...Array.from({ length: 25 }, (_, index) => index + 2),
    26,
    ...Array.from({ length: 24 }, (_, index) => index + 27),
  ]);
  expect(backend.counts).toMatchObject({ reads: 1, writes: 2 });
});

test("a command that throws among others is told so alone, and changes nothing", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  const outcomes = await now(
    runtime,
    Promise.allSettled([record.run(add()), record.run({ kind: "throw" }), record.run(add())]),
  );
  expect(outcomes.map((end) => (end.status === "fulfilled" ? end.value : end.reason))).toEqual([
    1,
    new RangeError("a command of the test"),
    2,
  ]);
  expect(backend.counts.writes).toBe(1);
  expect((await stored()).value).toBe(2);
  // Alone it costs a read, for it may depend on what stands there.
  await expect(now(runtime, record.run({ kind: "throw" }))).rejects.toThrow(RangeError);
  expect(backend.counts.writes).toBe(1);
});

test("a request that was lost before it came there fails its commands, and those after it go on", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  await now(runtime, record.run(add()));
  plant(backend, "lost before", isWrite, 1);
  const both = await now(runtime, Promise.allSettled([record.run(add()), record.run(add())]));
  expect(both.map((end) => end.status === "rejected" && end.reason)).toEqual([
    expect.any(UnavailableError),
    expect.any(UnavailableError),
  ]);
  expect(await now(runtime, record.run(add()))).toBe(2);
  expect((await stored()).value).toBe(2);
});

test.each([1, 2])(
  "a write whose answer was lost %i times counts once, and its commands get their answers",
  async (times) => {
    const { client, runtime, stored } = createTallyWorld();
    const { record, backend } = client(0);
    await now(runtime, record.run(add(10)));
    backend.resetCounts();
    plant(backend, "lost after", isWrite, times);
    const answers = [record.run(add()), record.run(get), record.run(add())].map((run) => track(runtime, run));
    await runtime.advance(1_000);
    expect(answers.map(({ value }) => value)).toEqual([11, 11, 12]);
    expect((await stored()).value).toBe(12);
    // The copy shut out by the first tells what stands there.
    expect(backend.counts).toMatchObject({ reads: 0, writes: times + 1 });
  },
);

test("a write without any answer is told as unknown after three copies, and what comes then reads", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  await now(runtime, record.run(add(10)));
  const fault = plant(backend, "lost after", isWrite, 3);
  const first = track(runtime, record.run(add()));
  await runtime.advance(2_000);
  expect(first.error).toBeInstanceOf(OutcomeUnknownError);
  expect(fault.struck).toBe(3);
  expect(await now(runtime, record.run(get))).toBe(11);
  expect((await stored()).value).toBe(11);
});

test("copies of a write that arrive late, after others and after its own outcome, change nothing more", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 2 });
  const { record, backend } = client(0);
  await now(runtime, record.run(add(10)));
  const late = plant(backend, "applied late", isWrite, 2);
  const first = track(runtime, record.run(add()));
  await runtime.advance(1_000);
  expect(first.value).toBe(11);
  expect(await now(runtime, client(1).record.run(add(100)))).toBe(111);
  await late.end();
  expect((await stored()).value).toBe(111);
});

test("of a write that is late and another client's write in between exactly one copy counts, or none", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 2 });
  const { record, backend } = client(0);
  await now(runtime, record.run(add(10)));
  const late = plant(backend, "applied late", isWrite, 3);
  const first = track(runtime, record.run(add()));
  await runtime.advance(2_000);
  expect(first.error).toBeInstanceOf(OutcomeUnknownError);
  // Still on its way, it is the next to come, or never will be.
  const next = track(runtime, record.run(add(1_000)));
  await late.end();
  await runtime.advance(1_000);
  expect(next.value).toBe((await stored()).value);
  expect([1_010, 1_011]).toContain(next.value);
});

test("a lost answer is resolved although others wrote meanwhile, as far as the marks reach", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 14 });
  const { record, backend } = client(0);
  await now(runtime, record.run(add()));
  let isLost = false;
  backend.intercept(async (request, send) => {
    const answer = await send();
    if (request.kind !== "commit" || isLost) return answer;
    isLost = true;
    for (let index = 1; index < 14; index += 1) await client(index).record.run(add(100));
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const answer = track(runtime, record.run(add()));
  await runtime.advance(1_000);
  expect(answer.value).toBe(2);
  expect((await stored()).value).toBe(1_302);
});

test("a store that is away while an outcome is in doubt leaves it unknown, not unavailable", async () => {
  const { client, runtime, stored } = createTallyWorld();
  const { record, backend } = client(0);
  await now(runtime, record.run(add()));
  let requests = 0;
  backend.intercept(async (_request, send) => {
    requests += 1;
    if (requests > 1) throw new UnavailableError("a test took the store away");
    await send();
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const answer = track(runtime, record.run(add()));
  await runtime.advance(1_000);
  expect(answer.error).toBeInstanceOf(OutcomeUnknownError);
  backend.intercept(undefined);
  expect((await stored()).value).toBe(2);
});

test("stale reads cost attempts, not correctness", async () => {
  const { client, runtime, stored } = createTallyWorld({ clients: 2 });
  const { record, backend } = client(0);
  const [stale] = await client(0).backend.get([tallyKey]);
  await now(runtime, client(1).record.run(add(7)));
  let reads = 0;
  backend.intercept(async (request, send) => {
    if (request.kind === "get") {
      reads += 1;
      if (reads <= 5) return [stale ?? null] as never;
    }
    const answer = await send();
    // As a store that does not tell what stood there.
    if (request.kind === "commit" && "committed" in answer && !answer.committed) {
      return { committed: false, conflicts: [{ key: tallyKey }] } as never;
    }
    return answer;
  });
  const answer = track(runtime, record.run(add()));
  await runtime.advance(5_000);
  expect(answer.value).toBe(8);
  expect((await stored()).value).toBe(8);
});

test("eight clients that write one record all the time all get on, and no add is lost", async () => {
  const { clients, runtime, stored } = createTallyWorld({ clients: 8, tripMs: 4 });
  const each = 40;
  const seen: (number | "refused")[] = [];
  const loop = async (record: (typeof clients)[number]["record"]): Promise<void> => {
    for (let round = 0; round < each; round += 1) seen.push(await record.run(add()));
  };
  const all = track(runtime, Promise.all(clients.map(({ record }) => loop(record))));
  await runtime.advance(60_000);
  expect(all.error).toBeUndefined();
  expect(all.state).toBe("resolved");
  expect((await stored()).value).toBe(8 * each);
  expect(new Set(seen).size).toBe(8 * each);
  // Alone, each add takes 4 ms.
  expect(all.atMs).toBeLessThan(20_000);
});

test("when others never stop changing the record it gives up after ten seconds, and nothing was applied", async () => {
  const { client, runtime, store, stored } = createTallyWorld({ tripMs: 10 });
  const { record, backend } = client(0);
  let writes = 0;
  backend.intercept(async (request, send) => {
    if (request.kind === "commit") {
      writes += 1;
      const value = Buffer.from(JSON.stringify({ value: -writes, padding: "", stamps: [] }));
      await store.commit([{ kind: "put", key: tallyKey, value }]);
    }
    return send();
  });
  const answers = [record.run(add()), record.run(add())].map((run) => track(runtime, run));
  await runtime.advance(15_000);
  for (const { error, atMs } of answers) {
    expect(error).toBeInstanceOf(UnavailableError);
    expect(atMs).toBeLessThan(12_000);
  }
  backend.intercept(undefined);
  const { value } = await stored();
  const after = track(runtime, record.run(add()));
  await runtime.advance(100);
  expect(after.value).toBe(value + 1);
});

test("a write whose answer was lost is told as it was after 15 other writers, and as unknown after more: never done twice", async () => {
  for (const [others, isSent, told] of [
    [stampsMax - 1, true, 1],
    [stampsMax - 1, false, stampsMax],
    [stampsMax, true, "OUTCOME_UNKNOWN"],
    [stampsMax, false, "OUTCOME_UNKNOWN"],
  ] as const) {
    const { client, clients, runtime, stored } = createTallyWorld({ clients: stampsMax + 1 });
    const { record, backend } = client(0);
    let isFirst = true;
    backend.intercept(async (request, send) => {
      if (request.kind !== "commit" || !isFirst) return send();
      isFirst = false;
      if (isSent) await send();
      for (const each of clients.slice(1, others + 1)) await each.record.run(add());
      throw new OutcomeUnknownError("a test lost it");
    });
    const answer = track(runtime, record.run(add()));
    await runtime.advance(1_000);
    expect(answer.error === undefined ? answer.value : (answer.error as OutcomeUnknownError).code).toBe(told);
    const isThere = isSent || told !== "OUTCOME_UNKNOWN";
    expect((await stored()).value).toBe(others + (isThere ? 1 : 0));
    expect(await now(runtime, record.run(add()))).toBe(others + (isThere ? 2 : 1));
  }
});

test("a value that is too large fails its write, and the record goes on", async () => {
  const { client, runtime } = createTallyWorld();
  const { record } = client(0);
  await now(runtime, record.run(add()));
  const tooLarge = record.run({ kind: "pad", bytes: 2 ** 20 });
  await expect(now(runtime, tooLarge)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(await now(runtime, record.run(add()))).toBe(2);
});

test("garbage in the record fails what is asked of it, and is left as it is", async () => {
  const { client, runtime, store } = createTallyWorld();
  const { record } = client(0);
  await now(runtime, record.run(add()));
  const garbage: Operation = { kind: "put", key: tallyKey, value: Buffer.from("{}") };
  await store.commit([garbage]);
  await expect(now(runtime, record.run(add()))).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  await expect(now(runtime, record.run(get))).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  await store.commit([{ kind: "delete", key: tallyKey }]);
  expect(await now(runtime, record.run(add()))).toBe(1);
});

test("a record that vanished is begun anew", async () => {
  const { client, runtime, store } = createTallyWorld();
  const { record } = client(0);
  await now(runtime, record.run(add(5)));
  await store.commit([{ kind: "delete", key: tallyKey }]);
  expect(await now(runtime, record.run(add(2)))).toBe(2);
});
