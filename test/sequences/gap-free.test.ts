// Goal: no number is left out or used twice, whoever dies, pauses or loses an answer between two steps.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import type { GapFreeSequence } from "../../src/index.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { now, track } from "../locks/world.ts";
import { type Client, createWorld, ttlMs, type World } from "./world.ts";

const key = recordKey("default", "sequence", "orders");

function ordersOf({ coordinator }: Client): GapFreeSequence {
  return coordinator.sequence("orders", { gapFree: true });
}

async function used({ store }: World): Promise<unknown> {
  const [record] = await store.get([key]);
  if (record == null) return undefined;
  return (decodeRoster(key, record.value).roster.note as { readonly used: number }).used;
}

function kinds({ requests }: Client): readonly string[] {
  return requests.map(({ kind }) => kind);
}

/** A table with a unique number, and an order that is placed there under the next one. */
function placing(table: Map<number, string>) {
  return async (numbers: GapFreeSequence, order: string): Promise<number> => {
    for (;;) {
      const number = await numbers.issue((next) => {
        if (!table.has(next)) table.set(next, order);
        return next;
      });
      if (table.get(number) === order) return number;
    }
  };
}

describe("issue", () => {
  test("numbers works from 1 on, one at a time over all processes, with rising fences", async () => {
    const world = createWorld();
    const clients = [world.client(), world.client(), world.client()];
    const seen: { readonly number: number; readonly fence: number }[] = [];
    let working = 0;
    const all = clients.flatMap((client) =>
      Array.from({ length: 5 }, () =>
        ordersOf(client).issue(async (number, { fence, signal }) => {
          working += 1;
          expect(working).toBe(1);
          await Promise.resolve();
          expect(signal.aborted).toBe(false);
          working -= 1;
          seen.push({ number, fence });
          return number;
        }),
      ),
    );
    const answers = track(world.runtime, Promise.all(all));
    await world.runtime.advance(ttlMs);
    expect([...(answers.value ?? [])].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 15 }, (_, index) => index + 1),
    );
    expect(seen.map(({ number }) => number)).toEqual(seen.map((_, index) => index + 1));
    const fences = seen.map(({ fence }) => fence);
    expect(fences).toEqual([...fences].sort((left, right) => left - right));
    expect(await ordersOf(clients[0] as Client).last()).toBe(15);
  });

  test("costs two writes, and one where others of the process wait", async () => {
    const world = createWorld();
    const one = world.client();
    const orders = ordersOf(one);
    await now(
      world.runtime,
      orders.issue(() => undefined),
    );
    expect(kinds(one)).toEqual(["get", "get", "commit", "commit"]);
    one.requests.length = 0;
    await now(
      world.runtime,
      orders.issue(() => undefined),
    );
    expect(kinds(one)).toEqual(["commit", "commit"]);
    one.requests.length = 0;
    const many = Array.from({ length: 10 }, () => orders.issue((number) => number));
    expect((await now(world.runtime, Promise.all(many))).at(-1)).toBe(12);
    expect(kinds(one)).toEqual(Array.from({ length: 11 }, () => "commit"));
  });

  test("work that throws leaves its number to the next", async () => {
    const world = createWorld();
    const [one, other] = [ordersOf(world.client()), ordersOf(world.client())];
    const failing = one.issue((number) => Promise.reject(new Error(`no ${number}`)));
    await expect(now(world.runtime, failing)).rejects.toThrow("no 1");
    expect(
      await now(
        world.runtime,
        other.issue((number) => number),
      ),
    ).toBe(1);
  });

  test("a process that dies before or after its write leaves the number to the next, who finds what it wrote", async () => {
    for (const hasWritten of [false, true]) {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      const table = new Map<number, string>();
      const place = placing(table);
      await now(world.runtime, place(ordersOf(one), "first"));
      void ordersOf(one).issue((number) => {
        if (hasWritten) table.set(number, "of the dead");
        one.crash();
        return new Promise(() => undefined);
      });
      await world.runtime.settle();
      const placed = track(world.runtime, place(ordersOf(other), "next"));
      await world.runtime.advance(3 * ttlMs);
      expect(placed.value).toBe(hasWritten ? 3 : 2);
      expect([...table.keys()]).toEqual(hasWritten ? [1, 2, 3] : [1, 2]);
      expect(await used(world)).toBe(placed.value);
    }
  });

  test("a process that pauses between work and confirmation is refused, and skips nothing", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const table = new Map<number, string>();
    const place = placing(table);
    const pause = Promise.withResolvers<void>();
    const paused = track(
      world.runtime,
      ordersOf(one).issue((number) => {
        table.set(number, "paused");
        one.process.pause();
        return pause.promise;
      }),
    );
    await world.runtime.settle();
    const placed = track(world.runtime, place(ordersOf(other), "other"));
    await world.runtime.advance(3 * ttlMs);
    expect(placed.value).toBe(2);
    pause.resolve();
    one.process.resume("answers");
    await world.runtime.advance(100);
    expect(paused.error).toMatchObject({ code: "LEASE_LOST" });
    expect(await used(world)).toBe(2);
    expect([...table]).toEqual([
      [1, "paused"],
      [2, "other"],
    ]);
    expect(await now(world.runtime, place(ordersOf(one), "again"))).toBe(3);
  });

  test("a confirmation that lands after somebody else took over is refused", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    let hasWorked = false;
    one.strike(({ kind }) => (hasWorked && kind === "commit" ? "held back" : undefined));
    const late = track(
      world.runtime,
      ordersOf(one).issue(() => {
        hasWorked = true;
        one.process.pause();
      }),
    );
    await world.runtime.settle();
    const next = track(
      world.runtime,
      ordersOf(other).issue(async (number) => {
        // The confirmation of the first lands in the middle of the work of the second.
        one.process.resume();
        await world.runtime.settle();
        await one.letThrough();
        return number;
      }),
    );
    await world.runtime.advance(3 * ttlMs);
    expect(late.error).toMatchObject({ code: "LEASE_LOST" });
    expect(next.value).toBe(1);
    expect(await used(world)).toBe(1);
  });

  test.each([
    ["lost before", 1],
    ["lost after", 1],
    ["lost before", 4],
    ["lost after", 4],
    ["applied late", 1],
  ] as const)(
    "a confirmation that is %s, %i times, is sent again and counts once",
    async (accident, times) => {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      let struck = Number.NaN;
      one.strike(({ kind }) => {
        if (kind !== "commit" || !(struck < times)) return undefined;
        struck += 1;
        return accident;
      });
      const worked = track(
        world.runtime,
        ordersOf(one).issue((number) => {
          struck = 0;
          return number;
        }),
      );
      const others = Array.from({ length: 3 }, () =>
        track(
          world.runtime,
          ordersOf(other).issue((number) => number),
        ),
      );
      await world.runtime.advance(ttlMs / 2);
      await one.letThrough();
      await world.runtime.advance(3 * ttlMs);
      expect(struck).toBe(times);
      expect(worked.value).toBe(1);
      expect(others.map(({ value }) => value)).toEqual([2, 3, 4]);
      expect(await used(world)).toBe(4);
    },
  );

  test("a confirmation whose answer was lost is known again after others used numbers since", async () => {
    for (const [count, isKnown] of [
      [20, true],
      [40, false],
    ] as const) {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      let hasWorked = false;
      one.strike(({ kind }) => {
        if (!hasWorked) return undefined;
        return kind === "commit" ? "lost after" : "held back";
      });
      const worked = track(
        world.runtime,
        ordersOf(one).issue((number) => {
          hasWorked = true;
          return number;
        }),
      );
      await world.runtime.settle();
      for (let index = 0; index < count; index += 1)
        await now(
          world.runtime,
          ordersOf(other).issue(() => 0),
        );
      await world.runtime.advance(3_000);
      await one.letThrough();
      await world.runtime.advance(3_000);
      if (isKnown) expect(worked.value).toBe(1);
      else expect(worked.error).toMatchObject({ code: "LEASE_LOST" });
      if (!isKnown) expect(String(worked.error)).toContain("Nobody can say whether it counts as used");
      expect(await used(world)).toBe(1 + count);
    }
  });

  test("a turn that is taken away by force does not confirm", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const worked = ordersOf(one).issue(async () => {
      await other.coordinator.forceRelease("orders", { kind: "sequence", reason: "stuck" });
    });
    await expect(now(world.runtime, worked)).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(
      await now(
        world.runtime,
        ordersOf(other).issue((number) => number),
      ),
    ).toBe(1);
  });

  test("waits no longer than it is told, and gives up with its signal", async () => {
    const world = createWorld();
    const [one, other] = [ordersOf(world.client()), ordersOf(world.client())];
    const working = track(
      world.runtime,
      one.issue(() => new Promise(() => undefined)),
    );
    await world.runtime.settle();
    await expect(
      now(
        world.runtime,
        other.issue(() => 1, { wait: 0 }),
      ),
    ).rejects.toMatchObject({
      code: "ACQUIRE_TIMEOUT",
    });
    const stop = new AbortController();
    const waiting = track(
      world.runtime,
      other.issue(() => 1, { signal: stop.signal }),
    );
    await world.runtime.settle();
    stop.abort();
    await world.runtime.settle();
    expect(waiting.error).toMatchObject({ code: "ABORTED" });
    expect(working.state).toBe("pending");
  });

  test("work that runs when the coordinator closes is told to stop, waited for, and confirmed", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const end = Promise.withResolvers<void>();
    let told: AbortSignal | undefined;
    const working = track(
      world.runtime,
      ordersOf(one).issue(async (number, { signal }) => {
        told = signal;
        await end.promise;
        return number;
      }),
    );
    const waiting = track(
      world.runtime,
      ordersOf(one).issue(() => 0),
    );
    await world.runtime.settle();
    const closing = track(world.runtime, one.coordinator.close());
    await world.runtime.settle();
    expect(told?.reason).toMatchObject({ code: "CLOSED" });
    expect(waiting.error).toMatchObject({ code: "CLOSED" });
    end.resolve();
    await world.runtime.settle();
    expect(working.value).toBe(1);
    expect(closing.state).toBe("resolved");
    expect(
      await now(
        world.runtime,
        ordersOf(other).issue((number) => number),
      ),
    ).toBe(2);
    await expect(ordersOf(one).issue(() => 0)).rejects.toMatchObject({ code: "CLOSED" });
  });
});
