// Goal: numbers are unique over all processes and rise in one, whatever is lost, killed or closed, for the requests promised.
import { describe, expect, test } from "vitest";
import { decodeCounter } from "../../src/core/counter-record.ts";
import { recordKey } from "../../src/core/names.ts";
import { now, track } from "../locks/world.ts";
import { type Client, createWorld, type World } from "./world.ts";

const key = recordKey("default", "sequence-blocks", "orders");

/** The last number that anybody took. */
async function taken({ store }: World): Promise<number | undefined> {
  const [record] = await store.get([key]);
  return record == null ? undefined : decodeCounter(key, record.value).sum;
}

function adds({ requests }: Client): readonly (number | undefined)[] {
  return requests.filter(({ kind }) => kind === "add").map(({ delta }) => delta);
}

describe("blocks", () => {
  test("numbers begin at 1 and rise by one in one process", async () => {
    const { client } = createWorld();
    const sequence = client().coordinator.sequence("orders");
    const numbers = [];
    for (let index = 0; index < 100; index += 1) numbers.push(await sequence.next());
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test("a block of 100 takes one read and one add, and the next is asked for when 40 are left", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 100 });
    for (let index = 0; index < 59; index += 1) await now(world.runtime, sequence.next());
    expect(one.requests.map(({ kind }) => kind)).toEqual(["get", "add"]);
    expect(await now(world.runtime, sequence.next())).toBe(60);
    expect(adds(one)).toEqual([100, 100]);
    for (let index = 0; index < 40; index += 1) await now(world.runtime, sequence.next());
    expect(adds(one)).toEqual([100, 100]);
  });

  test("a prefetch that is on its way keeps nobody waiting", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    await now(world.runtime, sequence.take(5));
    one.strike(() => "held back");
    for (let index = 6; index <= 10; index += 1)
      expect(await now(world.runtime, sequence.next())).toBe(index);
    const eleventh = track(world.runtime, sequence.next());
    await world.runtime.settle();
    expect(eleventh.state).toBe("pending");
    await one.letThrough();
    await world.runtime.settle();
    expect(eleventh.value).toBe(11);
    expect(adds(one)).toEqual([10, 10]);
  });

  test("callers of one process share a request, in the order of their calls", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    const calls = Array.from({ length: 50 }, () => sequence.next());
    const others = one.coordinator.sequence("orders", { block: 10 }).take(3);
    expect(await now(world.runtime, Promise.all(calls))).toEqual(calls.map((_, index) => index + 1));
    expect(await others).toEqual([51, 52, 53]);
    expect(adds(one)[0]).toBe(53);
  });

  test("a block is as large as the process uses in about a second", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders");
    for (let index = 0; index < 2_000; index += 1) {
      await world.runtime.advance(1);
      await sequence.next();
    }
    expect(Math.max(...adds(one).map(Number))).toBe(2_048);
    expect(adds(one).length).toBeLessThan(10);
    for (let index = 0; index < 10_000; index += 1) {
      await world.runtime.advance(500);
      await sequence.next();
    }
    expect(adds(one).at(-1)).toBeLessThanOrEqual(16);
  });

  test("several processes never share a number, and each gets rising ones", async () => {
    const world = createWorld();
    const clients = [world.client(), world.client(), world.client()];
    const numbers = await Promise.all(
      clients.map(async ({ coordinator }) => {
        const sequence = coordinator.sequence("orders", { block: 7 });
        const mine: number[] = [];
        for (let index = 0; index < 30; index += 1) {
          mine.push(...(await sequence.take(1 + (index % 3))));
          await Promise.resolve();
        }
        expect(mine).toEqual([...mine].sort((left, right) => left - right));
        return mine;
      }),
    );
    expect(new Set(numbers.flat()).size).toBe(numbers.flat().length);
  });

  test("a larger take than a block is one request", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    const numbers = await now(world.runtime, sequence.take(2_500));
    expect(numbers).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1));
    expect(adds(one)).toEqual([2_500, 10]);
  });
});

describe("with block: 1", () => {
  test("numbers rise in real time over all processes, and there are no requests ahead", async () => {
    const world = createWorld();
    const clients = [world.client(), world.client()];
    const sequences = clients.map(({ coordinator }) => coordinator.sequence("orders", { block: 1 }));
    for (let index = 1; index <= 20; index += 1) {
      expect(await sequences[index % 2]?.next()).toBe(index);
    }
    expect(await taken(world)).toBe(20);
  });

  test("who asks while a request is on its way gets no number of it", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 1 });
    await sequence.next();
    one.strike(() => "held back");
    const stop = new AbortController();
    const first = track(world.runtime, sequence.next({ signal: stop.signal }));
    await world.runtime.settle();
    stop.abort();
    const second = track(world.runtime, sequence.next());
    await world.runtime.settle();
    expect(first.error).toMatchObject({ code: "ABORTED" });
    const other = world.client().coordinator.sequence("orders", { block: 1 });
    expect(await other.next()).toBe(2);
    await one.letThrough();
    await world.runtime.settle();
    // Number 3 was the aborted caller's.
    expect(second.value).toBe(4);
  });

  test("k callers at once cost one request", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 1 });
    const calls = Array.from({ length: 100 }, () => sequence.next());
    expect(await now(world.runtime, Promise.all(calls))).toEqual(calls.map((_, index) => index + 1));
    expect(adds(one)).toEqual([100]);
  });
});

describe("when requests fail", () => {
  test.each(["lost before", "lost after", "applied late"] as const)(
    "an add that is %s is asked again, and no number comes twice",
    async (accident) => {
      const world = createWorld();
      const [one, other] = [world.client(), world.client()];
      const sequence = one.coordinator.sequence("orders", { block: 10 });
      const seen = new Set(await now(world.runtime, sequence.take(4)));
      const others = other.coordinator.sequence("orders", { block: 3 });
      let times = 0;
      for (let round = 0; round < 50; round += 1) {
        one.strike(() => {
          times += 1;
          return times % 2 === 1 ? accident : undefined;
        });
        const asked = [track(world.runtime, sequence.take(7)), track(world.runtime, others.take(2))];
        await world.runtime.advance(5_000);
        await one.letThrough();
        for (const { value } of asked) {
          for (const number of value ?? []) {
            expect(seen.has(number)).toBe(false);
            seen.add(number);
          }
        }
      }
      expect(seen.size).toBe(4 + 50 * 9);
      // What was applied was used: an add whose answer was lost was resolved, not repeated.
      expect(Math.max(...seen) - seen.size).toBeLessThan(20);
    },
  );

  test.each(["lost before", "lost after", "applied late"] as const)(
    "with block: 1, an add that is %s is asked again, and there is no gap",
    async (accident) => {
      const world = createWorld();
      const one = world.client();
      const sequence = one.coordinator.sequence("orders", { block: 1 });
      let times = 0;
      one.strike(({ kind }) => {
        if (kind === "add") times += 1;
        return kind === "add" && times % 3 !== 0 ? accident : undefined;
      });
      const numbers: number[] = [];
      for (let round = 0; round < 20; round += 1) {
        const asked = [track(world.runtime, sequence.take(2)), track(world.runtime, sequence.next())];
        await world.runtime.advance(8_000);
        numbers.push(...asked.flatMap(({ value }) => value ?? []));
      }
      expect(numbers).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    },
  );

  test("who waits for ten seconds while the store is away is told so, and nothing is lost", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    await sequence.take(10);
    await world.runtime.settle();
    one.strike(({ kind }) => (kind === "add" ? "lost before" : undefined));
    const asked = track(world.runtime, sequence.take(20));
    await world.runtime.advance(9_000);
    expect(asked.state).toBe("pending");
    await world.runtime.advance(4_000);
    expect(asked.error).toMatchObject({ code: "UNAVAILABLE" });
    one.strike(undefined);
    const numbers = track(world.runtime, sequence.take(20));
    await world.runtime.advance(5_000);
    expect(numbers.value?.[0]).toBe(11);
  });

  test("numbers of a failed prefetch are not asked for again and again", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 1_000 });
    await sequence.take(599);
    one.strike(({ kind }) => (kind === "add" ? "lost before" : undefined));
    one.requests.length = 0;
    for (let index = 0; index < 200; index += 1) await now(world.runtime, sequence.next());
    expect(adds(one).length).toBeLessThan(5);
  });

  test("a caller that aborts is answered at once, and its numbers go to the next", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    await now(world.runtime, sequence.take(10));
    one.strike(() => "held back");
    const stop = new AbortController();
    const aborted = track(world.runtime, sequence.take(100, { signal: stop.signal }));
    await world.runtime.settle();
    stop.abort("enough");
    await world.runtime.settle();
    expect(aborted.error).toMatchObject({ code: "ABORTED", cause: "enough" });
    await one.letThrough();
    expect(await now(world.runtime, sequence.next())).toBe(11);
    await expect(sequence.next({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("closing", () => {
  test("gives the unused numbers back, and the next process goes on there", async () => {
    const world = createWorld();
    const one = world.client();
    expect(await one.coordinator.sequence("orders", { block: 100 }).next()).toBe(1);
    await one.coordinator.close();
    expect(await taken(world)).toBe(1);
    expect(await world.client().coordinator.sequence("orders").next()).toBe(2);
  });

  test("gives nothing back where somebody took numbers since, nor does a crash", async () => {
    const world = createWorld();
    const [one, other, third] = [world.client(), world.client(), world.client()];
    await one.coordinator.sequence("orders", { block: 100 }).next();
    await other.coordinator.sequence("orders", { block: 100 }).next();
    await one.coordinator.close();
    expect(await taken(world)).toBe(200);
    other.crash();
    expect(await third.coordinator.sequence("orders").next()).toBe(201);
  });

  test("gives nothing back where the record was put back to an earlier state meanwhile", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    await one.coordinator.sequence("orders", { block: 100 }).next();
    await world.store.commit([{ kind: "delete", key }]);
    expect(await other.coordinator.sequence("orders", { block: 100 }).next()).toBe(1);
    await one.coordinator.close();
    expect(await taken(world)).toBe(100);
  });

  test("refuses who waits and who comes later", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    await sequence.next();
    one.strike(() => "held back");
    const waiting = track(world.runtime, sequence.take(50));
    await world.runtime.settle();
    const closing = one.coordinator.close();
    await world.runtime.settle();
    expect(waiting.error).toMatchObject({ code: "CLOSED" });
    await one.letThrough();
    await now(world.runtime, closing);
    await expect(sequence.next()).rejects.toMatchObject({ code: "CLOSED" });
    expect(await taken(world)).toBe(1);
  });

  test("does not wait for a store that never answers for longer than a TTL", async () => {
    const world = createWorld();
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 10 });
    await sequence.next();
    one.strike(() => "held back");
    const closing = track(world.runtime, one.coordinator.close());
    await world.runtime.advance(20_000);
    expect(closing.state).toBe("resolved");
  });
});
