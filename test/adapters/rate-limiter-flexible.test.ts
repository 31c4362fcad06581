// Goal: a limiter of rate-limiter-flexible over our store does what those over its own stores do, within their wrappers
// too, and what those do not: it resets, it never expires where it should not, and denials cost nothing.
import {
  BurstyRateLimiter,
  RateLimiterMemory,
  RateLimiterQueue,
  RateLimiterRes,
  type RateLimiterStoreAbstract,
  RateLimiterUnion,
  RLWrapperBlackAndWhite,
} from "rate-limiter-flexible";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type FlexibleRateLimiterOptions,
  flexibleRateLimiter,
} from "../../src/adapters/rate-limiter-flexible.ts";
import type { Coordinator } from "../../src/index.ts";
import { type SharedStore, sharedStore } from "./limited-service.ts";

let shared: SharedStore;

beforeEach(() => {
  shared = sharedStore();
});
afterEach(() => shared[Symbol.asyncDispose]());

function make(
  options: Partial<FlexibleRateLimiterOptions> = {},
  instance: 0 | 1 = 0,
): Promise<RateLimiterStoreAbstract> {
  return flexibleRateLimiter(shared.coordinators[instance], { points: 2, duration: 5, ...options });
}

/** What a denied call is told. */
async function denial(call: Promise<unknown>): Promise<RateLimiterRes> {
  const reason: unknown = await call.then(
    (result) => expect.fail(`it was allowed: ${result}`),
    (error: unknown) => error,
  );
  expect(reason).toBeInstanceOf(RateLimiterRes);
  return reason as RateLimiterRes;
}

/** A time, and by what that of the store is not known. */
const about = (ms: number) => expect.toSatisfy((value: number) => value > ms - 1_000 && value <= ms + 100);

describe("consume", () => {
  test("counts, denies, and begins anew after the duration", async () => {
    const limiter = await make();
    expect((await limiter.consume("a")).toJSON()).toEqual({
      ...{ remainingPoints: 1, msBeforeNext: about(5_000), consumedPoints: 1, isFirstInDuration: true },
    });
    shared.pass(2_000);
    expect(await limiter.consume("a")).toMatchObject({
      ...{ remainingPoints: 0, msBeforeNext: about(3_000), consumedPoints: 2, isFirstInDuration: false },
    });
    expect(await denial(limiter.consume("a"))).toMatchObject({
      ...{ remainingPoints: 0, msBeforeNext: about(3_000), consumedPoints: 3 },
    });
    shared.pass(3_100);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1, isFirstInDuration: true });
  });

  test("of 20 at once over two processes allows exactly the points", async () => {
    const limiters = [await make({ points: 7 }), await make({ points: 7 }, 1)];
    const calls = Array.from({ length: 20 }, (_, index) => limiters[index % 2]?.consume("a"));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(reasons.every((reason) => reason instanceof RateLimiterRes)).toBe(true);
  });

  test("that is denied consumes nothing, and writes nothing", async () => {
    const limiter = await make({ points: 5 });
    await limiter.consume("a", 4);
    expect(await denial(limiter.consume("a", 3))).toMatchObject({ consumedPoints: 7, remainingPoints: 0 });
    expect(await limiter.get("a")).toMatchObject({ consumedPoints: 4, remainingPoints: 1 });
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 5 });
    shared.backend.resetCounts();
    for (let index = 0; index < 10; index += 1) await denial(limiter.consume("a"));
    expect(shared.backend.counts.writes).toBe(0);
  });

  test("of more than all points is denied for ever, and tells to wait for the duration", async () => {
    const limiter = await make();
    const expected = { consumedPoints: 3, msBeforeNext: about(5_000) };
    expect(await denial(limiter.consume("a", 3))).toMatchObject(expected);
    expect(await limiter.get("a")).toBeNull();
  });

  test("keeps keys and prefixes apart", async () => {
    const one = await make({ keyPrefix: "one" });
    const other = await make({ keyPrefix: "other" });
    await one.consume("a", 2);
    expect(await one.consume("b")).toMatchObject({ consumedPoints: 1 });
    expect(await other.consume("a")).toMatchObject({ consumedPoints: 1 });
    const bare = await make({ keyPrefix: "" });
    expect([one.getKey("a"), bare.getKey("a"), (await make()).getKey(7)]).toEqual(["one:a", "a", "rlflx:7"]);
  });

  test("takes a duration of its own for a key that is new", async () => {
    const limiter = await make();
    const options = { customDuration: 60 };
    expect(await limiter.consume("a", 1, options)).toMatchObject({ msBeforeNext: about(60_000) });
    shared.pass(30_000);
    expect(await limiter.consume("a", 1, options)).toMatchObject({ consumedPoints: 2 });
    expect(await denial(limiter.consume("a", 1, options))).toMatchObject({ msBeforeNext: about(30_000) });
    shared.pass(31_000);
    expect(await limiter.consume("a", 1, options)).toMatchObject({ consumedPoints: 1 });
  });

  test("follows points that change", async () => {
    const limiter = await make();
    await limiter.consume("a", 2);
    limiter.points = 4;
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 3, remainingPoints: 1 });
    limiter.points = 1;
    expect(await denial(limiter.consume("a"))).toMatchObject({ consumedPoints: 4 });
  });

  test("spreads what it allows where that is wanted", async () => {
    const limiter = await make({ points: 2, duration: 1, execEvenly: true, execEvenlyMinDelayMs: 20 });
    expect(await limiter.consume("a")).toMatchObject({ isFirstInDuration: true });
    const { msBeforeNext } = await limiter.consume("a");
    expect(msBeforeNext).toBeLessThanOrEqual(500);
  });
});

describe("a duration of 0", () => {
  test("never begins anew", async () => {
    const limiter = await make({ duration: 0 });
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1, msBeforeNext: -1 });
    await limiter.consume("a");
    shared.pass(300 * 86_400_000);
    expect(await denial(limiter.consume("a"))).toMatchObject({ consumedPoints: 3, msBeforeNext: -1 });
    expect(await limiter.get("a")).toMatchObject({ consumedPoints: 2, msBeforeNext: -1 });
  });

  test("sums up what is set, and stays blocked", async () => {
    const limiter = await make({ duration: 0, points: 5 });
    expect(await limiter.set("a", 2, 0)).toMatchObject({ consumedPoints: 2, msBeforeNext: -1 });
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 3 });
    expect(await limiter.block("b", 0)).toMatchObject({ msBeforeNext: -1 });
    expect(await limiter.get("b")).toMatchObject({ consumedPoints: 6, msBeforeNext: -1 });
    shared.pass(300 * 86_400_000);
    expect(await denial(limiter.consume("b"))).toMatchObject({ remainingPoints: 0 });
  });
});

describe("penalty and reward", () => {
  test("change what is consumed, also beyond the points", async () => {
    const limiter = await make();
    await limiter.consume("a");
    expect(await limiter.penalty("a")).toMatchObject({ consumedPoints: 2, remainingPoints: 0 });
    expect(await limiter.penalty("a", 3)).toMatchObject({ consumedPoints: 5, remainingPoints: 0 });
    expect(await limiter.reward("a", 2)).toMatchObject({ consumedPoints: 3 });
    expect(await denial(limiter.consume("a"))).toMatchObject({ consumedPoints: 4 });
    expect(await limiter.reward("a", 2)).toMatchObject({ consumedPoints: 1, remainingPoints: 1 });
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 2 });
  });

  test("of a key that is new begin its duration, and never count below nothing", async () => {
    const limiter = await make();
    expect(await limiter.penalty("a", 2)).toMatchObject({ consumedPoints: 2, msBeforeNext: about(5_000) });
    expect(await limiter.reward("b", 2)).toMatchObject({ consumedPoints: 0, remainingPoints: 2 });
    expect(await limiter.penalty("c", 1, { customDuration: 60 })).toMatchObject({
      msBeforeNext: about(60_000),
    });
  });
});

describe("get, set, block and delete", () => {
  test("get tells how a key stands, and null of one that is not known", async () => {
    const limiter = await make();
    expect(await limiter.get("a")).toBeNull();
    await limiter.consume("a");
    expect(await limiter.get("a")).toMatchObject({ consumedPoints: 1, remainingPoints: 1 });
    shared.pass(6_000);
    expect(await limiter.get("a")).toBeNull();
  });

  test("set says what is consumed, below the points and above", async () => {
    const limiter = await make({ points: 5 });
    expect(await limiter.set("a", 3, 5)).toMatchObject({ consumedPoints: 3, msBeforeNext: 5_000 });
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 4 });
    await limiter.set("a", 9, 5);
    expect(await limiter.get("a")).toMatchObject({ consumedPoints: 9, remainingPoints: 0 });
    expect(await denial(limiter.consume("a"))).toMatchObject({ consumedPoints: 10 });
    await limiter.set("a", 9, 60);
    shared.pass(50_000);
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(10_000) });
    await limiter.set("a", 1, 5);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 2 });
  });

  test.each([60, 2])("block denies for %i seconds, and leaves nothing behind", async (seconds) => {
    const limiter = await make();
    await limiter.consume("a", 2);
    expect(await limiter.block("a", seconds)).toMatchObject({
      ...{ msBeforeNext: seconds * 1_000, consumedPoints: 3, remainingPoints: 0 },
    });
    shared.pass((seconds - 1) * 1_000);
    expect(await limiter.get("a")).toMatchObject({ remainingPoints: 0, msBeforeNext: about(1_000) });
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(1_000) });
    shared.pass(1_100);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1 });
  });

  test.each(["set", "block"] as const)("%s for ever is told as what never ends", async (method) => {
    const limiter = await make();
    if (method === "set") await limiter.set("a", 12, 0);
    else await limiter.block("a", 0);
    shared.pass(100 * 86_400_000);
    expect(await limiter.get("a")).toMatchObject({ remainingPoints: 0, msBeforeNext: -1 });
    await denial(limiter.consume("a"));
  });

  test("delete forgets everything, and tells whether there was something", async () => {
    const limiter = await make();
    expect(await limiter.delete("a")).toBe(false);
    await limiter.block("a", 60);
    expect(await limiter.delete("a")).toBe(true);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1 });
    expect(await limiter.delete("a")).toBe(true);
    expect(await limiter.get("a")).toBeNull();
  });
});

describe("blocks of its own", () => {
  test("blockDuration blocks at the first denial, once", async () => {
    const limiter = await make({ blockDuration: 60 });
    await limiter.consume("a", 2);
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: 60_000 });
    shared.pass(50_000);
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(10_000) });
    shared.pass(10_200);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1 });
  });

  test("blockOnConsumed blocks when as many were consumed, denied ones too", async () => {
    const limiter = await make({ blockDuration: 60, blockOnConsumed: 4 });
    await limiter.consume("a", 2);
    expect(await denial(limiter.consume("a"))).toMatchObject({
      consumedPoints: 3,
      msBeforeNext: about(5_000),
    });
    expect(await denial(limiter.consume("a"))).toMatchObject({ consumedPoints: 4, msBeforeNext: 60_000 });
    shared.pass(30_000);
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(30_000) });
  });

  test("inMemoryBlockOnConsumed denies without asking the store", async () => {
    const limiter = await make({ inMemoryBlockOnConsumed: 2, inMemoryBlockDuration: 60 });
    await limiter.consume("a", 2);
    await denial(limiter.consume("a"));
    shared.setAway(true);
    shared.backend.resetCounts();
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(60_000) });
    expect(shared.backend.counts).toMatchObject({ reads: 0, writes: 0 });
  });

  test("blocks in memory and in the store last as long as either says", async () => {
    const inMemory = { inMemoryBlockOnConsumed: 2, inMemoryBlockDuration: 10 };
    const limiter = await make({ points: 1, blockDuration: 20, ...inMemory });
    await limiter.consume("a");
    expect(await denial(limiter.consume("a"))).toMatchObject({ remainingPoints: 0, msBeforeNext: 10_000 });
    expect(await limiter.get("a")).toMatchObject({ remainingPoints: 0, msBeforeNext: about(20_000) });
  });

  test("blocks in memory last until the duration is over, where nothing else is said", async () => {
    const limiter = await make({ points: 1, inMemoryBlockOnConsumed: 1 });
    expect(await denial(limiter.consume("a", 2))).toMatchObject({ msBeforeNext: about(5_000) });
    expect(await denial(limiter.consume("a"))).toMatchObject({ msBeforeNext: about(5_000) });
  });
});

describe("within the wrappers of the package", () => {
  test("a burst is allowed on top of the limit", async () => {
    const [limit, burst] = [await make({ points: 1 }), await make({ points: 2, keyPrefix: "burst" })];
    const limiter = new BurstyRateLimiter(limit, burst);
    for (let index = 0; index < 3; index += 1) await limiter.consume("a");
    await denial(limiter.consume("a"));
  });

  test("a union consumes from all", async () => {
    const limiters = [await make({ points: 1, keyPrefix: "one" }), await make({ keyPrefix: "two" })];
    const union = new RateLimiterUnion(...limiters);
    expect(await union.consume("a")).toMatchObject({
      one: { consumedPoints: 1 },
      two: { consumedPoints: 1 },
    });
    await expect(union.consume("a")).rejects.toMatchObject({ one: { remainingPoints: 0 } });
  });

  test("a queue waits for the duration to begin anew", async () => {
    await using running = sharedStore({ runsByItself: true });
    const limiter = await flexibleRateLimiter(running.coordinators[0], { points: 1, duration: 1 });
    const queue = new RateLimiterQueue(limiter);
    expect(await queue.removeTokens(1)).toBe(0);
    expect(await queue.removeTokens(1)).toBe(0);
    await expect(queue.removeTokens(2)).rejects.toThrow("exceeds maximum");
  });

  test("lists of names go before it", async () => {
    const limiter = new RLWrapperBlackAndWhite({
      ...{ limiter: await make(), whiteList: ["root"], blackList: ["mallory"] },
    });
    expect(await limiter.consume("root", 99)).toMatchObject({ remainingPoints: Number.MAX_SAFE_INTEGER });
    await denial(limiter.consume("mallory"));
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1 });
  });
});

describe("while the store is away", () => {
  test("calls are rejected with an error, which is no denial", async () => {
    const limiter = await make();
    shared.setAway(true);
    for (const call of [limiter.consume("a"), limiter.get("a"), limiter.penalty("a"), limiter.delete("a")]) {
      await expect(call).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    shared.setAway(false);
    shared.pass(1_100);
    expect(await limiter.consume("a")).toMatchObject({ consumedPoints: 1 });
  });

  test("the insurance limiter is asked", async () => {
    const insuranceLimiter = new RateLimiterMemory({ points: 1, duration: 60 });
    const limiter = await make({ points: 100, insuranceLimiter });
    await limiter.consume("a");
    shared.setAway(true);
    expect(await limiter.consume("a")).toMatchObject({ remainingPoints: 0 });
    await denial(limiter.consume("a"));
  });

  test("the insurance limiter is asked for everything else too", async () => {
    const insuranceLimiter = new RateLimiterMemory({ points: 2, duration: 60 });
    const limiter = await make({ insuranceLimiter });
    shared.setAway(true);
    expect(await limiter.penalty("a")).toMatchObject({ consumedPoints: 1 });
    expect(await limiter.consume("a", 1, { customDuration: 1 })).toMatchObject({ consumedPoints: 2 });
    expect(await limiter.reward("a")).toMatchObject({ consumedPoints: 1 });
    expect(await limiter.get("a")).toMatchObject({ consumedPoints: 1 });
    expect(await limiter.block("a", 3)).toMatchObject({ msBeforeNext: 3_000 });
    expect(await limiter.delete("a")).toBe(true);
    expect(await limiter.consume("b", 1, { customDuration: 1 })).toMatchObject({
      msBeforeNext: about(1_000),
    });
  });

  test("it can be the insurance of another", async () => {
    const broken = await make({ keyPrefix: "broken", insuranceLimiter: await make({}, 1) });
    await shared.coordinators[0].close();
    expect(await broken.consume("a")).toMatchObject({ consumedPoints: 1 });
  });
});

describe("bad input", () => {
  test.each([0.5, Number.NaN, "1.5", "-1", 2 ** 60, null, {}])(
    "points of %s are an error",
    async (points) => {
      const limiter = await make();
      await expect(limiter.consume("a", points as number)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
      await expect(limiter.penalty("a", points as number)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
      await expect(limiter.set("a", points as number, 5)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  test("no points, points below 0, and more than can be counted", async () => {
    expect(await (await make()).consume("a", 0)).toMatchObject({ consumedPoints: 0 });
    for (const points of [0, -1])
      await denial((await make({ points, keyPrefix: `p${points}` })).consume("a"));
    const huge = await make({ points: 2 ** 50, keyPrefix: "huge" });
    expect(await huge.consume("a")).toMatchObject({ consumedPoints: 1, remainingPoints: 2 ** 50 - 1 });
    expect(await huge.consume("a", -1)).toMatchObject({ consumedPoints: 0 });
  });

  test.each(["", "x".repeat(5_000), "\ud800", 7])("a key is limited whatever it is", async (key) => {
    const limiter = await make({ points: 1, keyPrefix: "" });
    await limiter.consume(key);
    await denial(limiter.consume(key));
    await limiter.delete(key);
  });

  test("options that cannot be are refused", async () => {
    const invalid = { code: "INVALID_ARGUMENT" };
    await expect(make({ durations: 5 } as object)).rejects.toMatchObject(invalid);
    for (const options of [{ name: "" }, { timeout: 1 }])
      await expect(make(options)).rejects.toMatchObject(invalid);
    const none = {} as Coordinator;
    await expect(flexibleRateLimiter(none, { points: 1, duration: 1 })).rejects.toMatchObject(invalid);
    await expect(make({ points: Number.NaN })).rejects.toThrow("points must be set");
    await expect(make({ duration: -1 })).rejects.toThrow("duration must be set");
    await expect(make({ blockOnConsumed: 1 })).rejects.toThrow("blockOnConsumed");
  });
});
