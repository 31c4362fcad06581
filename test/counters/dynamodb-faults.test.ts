// Goal: over DynamoDB, by leasehold's own client and by one as the SDK makes it, which sends again by itself, every call of
// a counter counts once, however many of its requests or answers are lost on the way.
import { describe, expect, test } from "vitest";
import { createCoordinator } from "../../src/index.ts";
import { faultyStore, type Sender } from "../backends/dynamodb-support.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";

const senders: readonly Sender[] = ["own client", "user's client"];
const lostReply: Fault = { kind: "dropAfter" };
const lostRequest: Fault = { kind: "dropBefore" };
const failedReply: Fault = { kind: "answerAfter", answer: dynamodbError("InternalServerError", 500) };

describe.each(senders)("by the %s,", (sender) => {
  async function open() {
    const store = await faultyStore(sender);
    const [mine, other] = [createCoordinator(store.backend), createCoordinator(store.direct)];
    return {
      ...{ proxy: store.proxy, mine, other },
      async [Symbol.asyncDispose]() {
        await Promise.all([mine.close(), other.close()]);
        await store[Symbol.asyncDispose]();
      },
    };
  }

  test("adds that ride together count once when their answers are lost, also every copy that the backend sends", async () => {
    await using world = await open();
    const { proxy, mine, other } = world;
    const counter = mine.counter("x");
    await other.counter("x").add(100);
    const rounds: readonly (readonly Fault[])[] = [
      [lostReply],
      [failedReply, lostRequest],
      [lostRequest, lostReply, failedReply],
      Array.from({ length: 7 }, () => lostReply),
      Array.from({ length: 7 }, () => lostRequest),
    ];
    let sum = 100;
    for (const faults of rounds) {
      proxy.next("UpdateItem", ...faults);
      const sums = await Promise.all([counter.add(1), counter.add(5), counter.add(-2)]);
      expect(sums).toEqual([sum + 1, sum + 6, sum + 4]);
      sum += 4;
      expect(await other.counter("x").get()).toBe(sum);
    }
    expect(proxy.seen.length).toBeGreaterThan(2 * rounds.length);
  });

  test("a first set, a later one, conditions and bounded adds are done once beside the adds of others", async () => {
    await using world = await open();
    const { proxy, mine, other } = world;
    const counter = mine.counter("x", { max: 1_000 });
    const rival = other.counter("x");
    const meanwhile = () => rival.add(10);
    proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    await counter.set(100);
    expect(await rival.get()).toBe(110);
    proxy.next("UpdateItem", { kind: "dropAfter", meanwhile }, lostReply);
    // Before or after the rival, as the fault strikes a write or one over a view that was old already.
    expect([111, 121]).toContain(await counter.add(1));
    expect(await rival.get()).toBe(121);
    proxy.next("UpdateItem", failedReply);
    expect(await counter.compareAndSet(121, 200)).toBe(true);
    proxy.next("UpdateItem", { kind: "dropBefore", meanwhile });
    expect(await counter.add(5)).toBe(215);
    await expect(counter.add(800)).rejects.toMatchObject({ code: "OUT_OF_BOUNDS", value: 1_015 });
    expect(await rival.add(1)).toBe(216);
  });

  test("an add after a set counts once when the answer to its conversion is lost", async () => {
    await using world = await open();
    const { proxy, mine, other } = world;
    await other.counter("x").set(50);
    // The store's own add is refused over a value that was set, and the item is written anew with it.
    proxy.next("PutItem", lostReply);
    expect(await mine.counter("x").add(1)).toBe(51);
    expect(await other.counter("x").add(1)).toBe(52);
  });
});
