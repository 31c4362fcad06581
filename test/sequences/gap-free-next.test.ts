// Goal: numbers without gaps that are counted without work leave none either, and both ends and strange records are clear.
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

describe("next and take", () => {
  test("k callers of one process cost one write", async () => {
    const world = createWorld();
    const one = world.client();
    const orders = ordersOf(one);
    const calls = Array.from({ length: 20 }, () => orders.next());
    expect(await now(world.runtime, Promise.all(calls))).toEqual(calls.map((_, index) => index + 1));
    expect(await now(world.runtime, orders.take(5))).toEqual([21, 22, 23, 24, 25]);
    expect(kinds(one)).toEqual(["get", "get", "commit", "commit"]);
    expect(await used(world)).toBe(25);
  });

  test("wait for whoever works with a number, and go on after it", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const end = Promise.withResolvers<void>();
    const working = ordersOf(one).issue(async (number) => {
      await end.promise;
      return number;
    });
    await world.runtime.settle();
    const own = track(world.runtime, ordersOf(one).take(2));
    const others = track(world.runtime, ordersOf(other).take(2));
    await world.runtime.advance(1_000);
    expect([own.state, others.state]).toEqual(["pending", "pending"]);
    end.resolve();
    await world.runtime.advance(ttlMs);
    expect(await working).toBe(1);
    expect([own.value, others.value].flat().sort()).toEqual([2, 3, 4, 5]);
  });

  test.each(["lost before", "lost after", "applied late"] as const)(
    "a write that is %s leaves no gap",
    async (accident) => {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      let times = 0;
      one.strike(({ kind }) => {
        if (kind === "commit") times += 1;
        return kind === "commit" && times % 2 === 1 ? accident : undefined;
      });
      const numbers: number[] = [];
      for (let round = 0; round < 20; round += 1) {
        const asked = [
          track(world.runtime, ordersOf(one).take(3)),
          track(world.runtime, ordersOf(other).next()),
        ];
        await world.runtime.advance(5_000);
        numbers.push(...asked.flatMap(({ value }) => value ?? []));
      }
      expect(numbers.sort((left, right) => left - right)).toEqual(
        Array.from({ length: 80 }, (_, index) => index + 1),
      );
    },
  );

  test("numbers of a caller that aborted go to the next, or back when the coordinator is closed", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    await now(world.runtime, ordersOf(one).next());
    for (const isClosed of [false, true]) {
      one.strike(() => "held back");
      const stop = new AbortController();
      const aborted = track(world.runtime, ordersOf(one).take(3, { signal: stop.signal }));
      await world.runtime.settle();
      stop.abort();
      await one.letThrough();
      await world.runtime.settle();
      expect(aborted.error).toMatchObject({ code: "ABORTED" });
      if (isClosed) await now(world.runtime, one.coordinator.close());
      else expect(await now(world.runtime, ordersOf(one).take(3))).toEqual([2, 3, 4]);
    }
    expect(await used(world)).toBe(4);
    expect(await now(world.runtime, ordersOf(other).next())).toBe(5);
  });
});

describe("at the edges", () => {
  test("the last number is 2^53 - 1", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const start = Number.MAX_SAFE_INTEGER - 1;
    const orders = coordinator.sequence("orders", { gapFree: true, start });
    expect(await orders.last()).toBe(start - 1);
    expect(
      await now(
        world.runtime,
        orders.issue((number) => number),
      ),
    ).toBe(start);
    await expect(now(world.runtime, orders.take(2))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(await now(world.runtime, orders.next())).toBe(Number.MAX_SAFE_INTEGER);
    await expect(
      now(
        world.runtime,
        orders.issue((number) => number),
      ),
    ).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
    const next = track(world.runtime, orders.next());
    await world.runtime.advance(1_000);
    expect(next.error).toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("a record that was deleted leads a process to no number that it knows to be used", async () => {
    const world = createWorld();
    const orders = ordersOf(world.client());
    await now(world.runtime, orders.take(10));
    await world.store.commit([{ kind: "delete", key }]);
    const next = track(
      world.runtime,
      orders.issue((number) => number),
    );
    await world.runtime.advance(ttlMs);
    expect(next.value).toBe(11);
    expect(await used(world)).toBe(11);
  });

  test("a record that holds something else is refused", async () => {
    const world = createWorld();
    const orders = ordersOf(world.client());
    const value = Buffer.from(
      JSON.stringify({
        ...{ format: "roster/1", name: "orders", fence: 0, capacity: 1, holders: [], waiters: [] },
        note: { used: "7" },
      }),
    );
    await world.store.commit([{ kind: "put", key, value }]);
    await expect(now(world.runtime, orders.last())).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
    const issued = track(
      world.runtime,
      orders.issue((number) => number),
    );
    await world.runtime.advance(1_000);
    expect(issued.error).toMatchObject({ code: "CORRUPT_RECORD" });
  });

  test("what is no work or no option is refused", async () => {
    const orders = ordersOf(createWorld().client());
    await expect(orders.issue("work" as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    for (const options of [{ wait: -1 }, { signal: 1 }, { metadata: () => 1 }, { maxHold: 1 }]) {
      await expect(orders.issue(() => 1, options as never)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
  });
});
