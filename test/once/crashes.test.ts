// Goal: one result is stored for a key, whoever dies, pauses, or loses requests and answers between two steps.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import type { OnceOptions, OnceRun } from "../../src/index.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { now, track } from "../locks/world.ts";
import { type Accident, type Client, createWorld, ttlMs, type World } from "../sequences/world.ts";

const key = recordKey("default", "once", "pay");

async function stored({ store }: World): Promise<string | undefined> {
  const [record] = await store.get([key]);
  if (record == null) return undefined;
  const note = decodeRoster(key, record.value).roster.note as { readonly result?: { readonly data: string } };
  return note.result?.data;
}

/** Payments that end when the test says so. */
function payments() {
  const runs: OnceRun[] = [];
  const ends: ((receipt: string) => void)[] = [];
  return {
    runs,
    ends,
    begin: ({ coordinator }: Client, options?: OnceOptions<string>): Promise<string> =>
      coordinator.once<string>(
        "pay",
        (run) => {
          runs.push(run);
          return new Promise((resolve) => ends.push(resolve));
        },
        options,
      ),
  };
}

describe("a process that dies", () => {
  test("at work leaves the key to who waits, with a larger fence and the attempt counted", async () => {
    const world = createWorld();
    const [one, other, third] = [world.client(), world.client(), world.client()];
    const { begin, runs, ends } = payments();
    void begin(one);
    await world.runtime.settle();
    const waiting = [other, third].map((client) => track(world.runtime, begin(client)));
    one.crash();
    await world.runtime.advance(3 * ttlMs);
    expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(runs[1]?.fence).toBeGreaterThan(runs[0]?.fence ?? Number.NaN);
    ends[1]?.("second");
    await world.runtime.settle();
    expect(waiting.map(({ value }) => value)).toEqual(["second", "second"]);
  });

  test("is found out by callers who do not wait, and ask now and then", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begin, runs, ends } = payments();
    void begin(one);
    await world.runtime.settle();
    one.crash();
    let codes: unknown[] = [];
    let last = track(world.runtime, begin(other, { wait: 0 }));
    for (let call = 0; call < 40 && runs.length < 2; call += 1) {
      await world.runtime.advance(ttlMs / 4);
      codes = [...codes, (last.error as { code?: unknown } | undefined)?.code];
      if (runs.length < 2) last = track(world.runtime, begin(other, { wait: 0 }));
      await world.runtime.settle();
    }
    expect(new Set(codes)).toEqual(new Set(["IN_PROGRESS"]));
    ends[1]?.("second");
    await world.runtime.settle();
    expect(last.value).toBe("second");
  });

  test("while its result is on the way leaves it stored, or not, and nothing between", async () => {
    for (const isApplied of [true, false]) {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      const { begin, runs, ends } = payments();
      void begin(one).catch(() => undefined);
      await world.runtime.settle();
      one.strike(({ kind }) => {
        if (kind !== "commit") return undefined;
        if (isApplied) return "lost after";
        return "lost before";
      });
      ends[0]?.("first");
      await world.runtime.settle();
      one.crash();
      const waiting = track(world.runtime, begin(other));
      await world.runtime.advance(3 * ttlMs);
      ends[1]?.("second");
      await world.runtime.settle();
      expect(waiting.value).toBe(isApplied ? "first" : "second");
      expect(runs).toHaveLength(isApplied ? 1 : 2);
    }
  });
});

describe("a process that pauses at work", () => {
  test("gets the result of its successor, and stores none of its own", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begin, runs, ends } = payments();
    const paused = track(world.runtime, begin(one));
    await world.runtime.settle();
    one.process.pause();
    const successor = track(world.runtime, begin(other));
    await world.runtime.advance(3 * ttlMs);
    ends[1]?.("second");
    await world.runtime.settle();
    expect(successor.value).toBe("second");
    one.process.resume();
    ends[0]?.("first");
    await world.runtime.advance(ttlMs);
    expect(paused.value).toBe("second");
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(await stored(world)).toBe('"second"');
  });

  test("gets LEASE_LOST while its successor is at work, and the one result by another call", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begin, ends } = payments();
    const paused = track(world.runtime, begin(one));
    await world.runtime.settle();
    one.process.pause();
    const successor = track(world.runtime, begin(other));
    await world.runtime.advance(3 * ttlMs);
    one.process.resume();
    ends[0]?.("first");
    await world.runtime.advance(ttlMs);
    expect(paused.error).toMatchObject({ code: "LEASE_LOST" });
    expect(String(paused.error)).toMatch(/has run to its end/);
    expect(await stored(world)).toBe(undefined);
    const again = track(world.runtime, begin(one));
    ends[1]?.("second");
    await world.runtime.settle();
    expect([successor.value, again.value]).toEqual(["second", "second"]);
  });

  test("and whose lease is lost before anybody else began has the result that counts", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begin, runs, ends } = payments();
    const paused = track(world.runtime, begin(one));
    await world.runtime.settle();
    one.process.pause();
    await world.runtime.advance(3 * ttlMs);
    one.process.resume();
    ends[0]?.("first");
    await world.runtime.advance(ttlMs);
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(paused.value).toBe("first");
    expect(await now(world.runtime, begin(other))).toBe("first");
    expect(runs).toHaveLength(1);
  });

  test("while its result is on the way: it counts when it came before the successor began, and never after", async () => {
    for (const isBefore of [true, false]) {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      const { begin, runs, ends } = payments();
      const paused = track(world.runtime, begin(one));
      await world.runtime.settle();
      one.strike(({ kind }) => (kind === "commit" ? "held back" : undefined));
      ends[0]?.("first");
      await world.runtime.settle();
      if (isBefore) await one.letThrough();
      one.process.pause();
      const successor = track(world.runtime, begin(other));
      await world.runtime.advance(3 * ttlMs);
      ends[1]?.("second");
      await world.runtime.settle();
      if (!isBefore) await one.letThrough();
      one.process.resume();
      await world.runtime.advance(ttlMs);
      expect([paused.value, successor.value]).toEqual(isBefore ? ["first", "first"] : ["second", "second"]);
      expect(runs).toHaveLength(isBefore ? 1 : 2);
    }
  });
});

describe("a lost request or answer", () => {
  test("of the claim runs the work once, or tells that it did not run", async () => {
    for (const accident of ["lost before", "lost after", "applied late"] as const) {
      for (const struck of [1, 2, 5]) {
        const world = createWorld();
        const [one, other] = [world.client(), world.client()];
        let left = struck;
        let ran = 0;
        one.strike(({ kind }): Accident => {
          if (kind !== "commit" || left === 0) return undefined;
          left -= 1;
          return accident;
        });
        const call = track(
          world.runtime,
          one.coordinator.once("pay", () => {
            ran += 1;
            return "one";
          }),
        );
        await world.runtime.advance(ttlMs);
        await one.letThrough();
        await world.runtime.advance(ttlMs);
        expect(call.state).not.toBe("pending");
        if (call.state === "rejected") {
          expect(call.error).toMatchObject({ retryable: true });
          expect(ran).toBe(0);
        } else expect([call.value, ran]).toEqual(["one", 1]);
        const after = track(
          world.runtime,
          other.coordinator.once("pay", () => "other"),
        );
        await world.runtime.advance(3 * ttlMs);
        expect(after.value).toBe(call.state === "rejected" ? "other" : "one");
      }
    }
  });

  test("of the result is asked again until it is stored, within the lease", async () => {
    for (const accident of ["lost before", "lost after", "applied late"] as const) {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      const { begin, runs, ends } = payments();
      const call = track(world.runtime, begin(one));
      await world.runtime.settle();
      let left = 3;
      one.strike(({ kind }) => {
        if (kind !== "commit" || left === 0) return undefined;
        left -= 1;
        return accident;
      });
      ends[0]?.("first");
      await world.runtime.advance(ttlMs);
      expect(call.value).toBe("first");
      await one.letThrough();
      expect(await now(world.runtime, begin(other))).toBe("first");
      expect(runs).toHaveLength(1);
    }
  });

  test("of every read and write: the call ends with an error, once the lease is over, that says the work ran", async () => {
    const world = createWorld();
    const one = world.client();
    const { begin, ends } = payments();
    const call = track(world.runtime, begin(one));
    await world.runtime.settle();
    one.strike(() => "lost before");
    one.process.pause();
    await world.runtime.advance(ttlMs);
    one.process.resume();
    ends[0]?.("first");
    await world.runtime.advance(10 * ttlMs);
    expect(call.error).toMatchObject({ code: "LEASE_LOST", cause: { code: "UNAVAILABLE" } });
    expect(String(call.error)).toMatch(/its result was not stored/);
  });
});
