// Goal: in leased mode most decisions cost no request, and yet all processes together never admit more than the limit,
// whoever crashes, stands still, sleeps or loses requests; what a process held comes back at the end of its lease, or before
// when it has no use for it.
import { expect, test } from "vitest";
import { OutcomeUnknownError, type RateLimiter, UnavailableError } from "../../src/index.ts";
import { track } from "../locks/world.ts";
import { pass } from "../records/record-world.ts";
import { createLimiterWorld, type LimiterWorld, within } from "./limiter-world.ts";

const perHour = (limit: number) => ({ policies: [{ limit, per: "1h" }], mode: "leased" }) as const;

/** Takes one after the other until the first denial, at most `most`. */
async function drain(world: LimiterWorld, limiter: RateLimiter, most = 10_000): Promise<number> {
  for (let taken = 0; ; taken += 1) {
    if (taken === most || !(await within(world.runtime, limiter.take("k"))).allowed) return taken;
  }
}

test("a thousand decisions cost a few requests, and the last token is still found", async () => {
  const world = createLimiterWorld();
  const limiter = world.client(0).limiter(perHour(1_000));
  const sources = new Map<string, number>();
  for (let call = 0; call < 1_000; call += 1) {
    const { allowed, source } = await within(world.runtime, limiter.take("k"));
    expect(allowed).toBe(true);
    sources.set(source, (sources.get(source) ?? 0) + 1);
  }
  const { reads, writes } = world.client(0).backend.counts;
  expect(reads + writes).toBeLessThan(60);
  expect(sources.get("lease")).toBeGreaterThan(900);
  expect(await within(world.runtime, limiter.take("k"))).toMatchObject({ allowed: false });
});

test("two processes that take turns share a limit to the last token", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const limiters = world.clients.map((client) => client.limiter(perHour(300)));
  let taken = 0;
  let denied = 0;
  while (denied < 50) {
    for (const limiter of limiters) {
      if ((await within(world.runtime, limiter.take("k"))).allowed) taken += 1;
      else denied += 1;
    }
  }
  expect(taken).toBeLessThanOrEqual(300);
  // What the other one held has come back by now, or counts as spent.
  await world.runtime.advance(5_000);
  for (const limiter of limiters) taken += await drain(world, limiter);
  expect(taken).toBe(300);
});

test("what an idle process holds goes back within about half a second", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const [limiter, other] = [world.client(0).limiter(perHour(100)), world.client(1).limiter(perHour(100))];
  expect(await drain(world, limiter, 30)).toBe(30);
  expect((await within(world.runtime, other.peek("k"))).remaining).toBeLessThan(70);
  await world.runtime.advance(700);
  expect((await within(world.runtime, other.peek("k"))).remaining).toBe(70);
  const { backend } = world.client(0);
  backend.resetCounts();
  await world.runtime.advance(50_000);
  expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
});

test("closing gives back what is held", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const [limiter, other] = [world.client(0).limiter(perHour(100)), world.client(1).limiter(perHour(100))];
  expect(await drain(world, limiter, 30)).toBe(30);
  await within(world.runtime, world.client(0).coordinator.close());
  expect((await within(world.runtime, other.peek("k"))).remaining).toBe(70);
});

test("what a process held that died counts as spent from the end of its lease on, and comes back with time", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const options = { policies: [{ limit: 100, per: "10s" }], mode: "leased" } as const;
  const [limiter, other] = [world.client(0).limiter(options), world.client(1).limiter(options)];
  expect(await drain(world, limiter, 40)).toBe(40);
  world.client(0).pause();
  const left = await drain(world, other);
  expect(left).toBeLessThan(70);
  await world.runtime.advance(2_600);
  // All of it is out of the bucket until then; it does not refill behind what is out.
  expect((await within(world.runtime, other.peek("k"))).remaining).toBeLessThan(35);
  await world.runtime.advance(12_000);
  expect((await within(world.runtime, other.peek("k"))).remaining).toBe(100);
});

test("a process that stood still past its lease spends nothing of it", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const [limiter, other] = [world.client(0).limiter(perHour(100)), world.client(1).limiter(perHour(100))];
  let taken = await drain(world, limiter, 40);
  world.client(0).pause();
  await world.runtime.advance(5_000);
  taken += await drain(world, other);
  world.client(0).resume();
  await world.runtime.settle();
  taken += await drain(world, limiter);
  expect(taken).toBeLessThanOrEqual(100);
});

test("a machine that slept spends nothing of what it held", async () => {
  const world = createLimiterWorld({ clients: 2 });
  const options = {
    policies: [{ limit: 100, per: "4s", algorithm: "sliding-window" }],
    mode: "leased",
  } as const;
  const [limiter, other] = [world.client(0).limiter(options), world.client(1).limiter(options)];
  expect(await drain(world, limiter, 40)).toBe(40);
  const slept = track(world.runtime, world.client(0).sleepMachine(60_000));
  await world.runtime.advance(60_000);
  expect(slept.state).toBe("resolved");
  let taken = await drain(world, other);
  expect(taken).toBeGreaterThan(90);
  taken += await drain(world, limiter);
  expect(taken).toBeLessThanOrEqual(100);
});

test("a store so slow that leases end on their way costs no tokens but those that are used", async () => {
  const world = createLimiterWorld({ tripMs: 2_600 });
  const limiter = world.client(0).limiter({ ...perHour(1_000), timeout: "1m" });
  let taken = 0;
  for (let call = 0; call < 12; call += 1) {
    const takes = Array.from({ length: 5 }, () => limiter.take("k"));
    taken += (await within(world.runtime, Promise.all(takes), 60_000)).filter(
      ({ allowed }) => allowed,
    ).length;
  }
  expect(taken).toBe(60);
  await world.runtime.advance(60_000);
  const { remaining } = await within(world.runtime, limiter.peek("k"), 60_000);
  // One block for every ten seconds in which it is tried again.
  expect(remaining).toBeGreaterThan(850);
});

test("who was told that the store is away is not charged for it afterwards", async () => {
  const world = createLimiterWorld();
  const limiter = world.client(0).limiter({
    ...{ policies: [{ limit: 100, per: "1h", algorithm: "fixed-window" }], mode: "leased" },
    ...{ timeout: 100, onUnavailable: "allow" },
  });
  expect(await drain(world, limiter, 1)).toBe(1);
  await world.runtime.advance(5_000);
  world.client(0).backend.intercept(async (_request, send) => {
    await pass(world.runtime, 500);
    return send();
  });
  const takes = Array.from({ length: 20 }, () => track(world.runtime, limiter.take("k")));
  await world.runtime.advance(200);
  for (const { value } of takes) expect(value).toMatchObject({ allowed: true, degraded: true });
  await world.runtime.advance(30_000);
  world.client(0).backend.intercept(undefined);
  await world.runtime.advance(30_000);
  // What was leased for them went back, for nobody was there to spend it.
  expect((await within(world.runtime, limiter.peek("k"))).remaining).toBe(99);
});

test("who gives up while tokens are leased for him is not charged, and leaves the others in line", async () => {
  const world = createLimiterWorld({ tripMs: 100 });
  const limiter = world.client(0).limiter(perHour(100));
  const controller = new AbortController();
  const { signal } = controller;
  const takes = [limiter.take("k", { cost: 10, signal }), limiter.take("k", { cost: 3 })].map((take) =>
    track(world.runtime, take),
  );
  await world.runtime.advance(150);
  controller.abort();
  await world.runtime.advance(5_000);
  expect(takes[0]?.error).toMatchObject({ code: "ABORTED" });
  expect(takes[1]?.value).toMatchObject({ allowed: true, cost: 3 });
  expect((await within(world.runtime, limiter.peek("k"), 500)).remaining).toBe(97);
});

test("auto leases a busy key, and goes back to exact when it is quiet", async () => {
  const world = createLimiterWorld();
  const limiter = world.client(0).limiter({
    ...{ policies: [{ limit: 100_000, per: "1h", algorithm: "fixed-window" }], mode: "auto" },
  });
  const sourceOf = async (): Promise<string> => (await within(world.runtime, limiter.take("k"))).source;
  expect(await sourceOf()).toBe("store");
  for (let round = 0; round < 30; round += 1) {
    await within(world.runtime, Promise.all(Array.from({ length: 10 }, () => limiter.take("k"))));
    await world.runtime.advance(10);
  }
  await sourceOf();
  expect(await sourceOf()).toBe("lease");
  await world.runtime.advance(1_000);
  expect(await sourceOf()).toBe("store");
  expect((await within(world.runtime, limiter.peek("k"))).remaining).toBe(100_000 - 304);
});

interface Spending {
  readonly atMs: number;
  readonly tokens: number;
}

/** The most that was spent beyond what `allowed` says of a stretch from one spending to another. */
function excess(spendings: readonly Spending[], allowed: (lengthMs: number) => number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [first, from] of spendings.entries()) {
    let sum = 0;
    for (const until of spendings.slice(first)) {
      sum += until.tokens;
      worst = Math.max(worst, sum - allowed(until.atMs - from.atMs));
    }
  }
  return worst;
}

const faults = { lost: 0, late: 0, paused: 0, slept: 0, jumped: 0, allowed: 0, denied: 0, leased: 0 };

/** Clients that take without end over a store and network that fail, and when what they took was given to them. */
async function play(
  seed: number,
  algorithm: "token-bucket" | "sliding-window",
  mode: "exact" | "leased" | "auto",
): Promise<readonly Spending[]> {
  const world = createLimiterWorld({ clients: 3, seed, tripMs: 4 });
  const { runtime } = world;
  const spendings: Spending[] = [];
  for (const { backend } of world.clients) {
    backend.intercept(async (request, send) => {
      const chance = runtime.random();
      if (chance < 0.04) throw new UnavailableError("a test refused the request");
      if (request.kind === "commit" && chance < 0.12) {
        faults.lost += 1;
        await send();
        throw new OutcomeUnknownError("a test lost the answer");
      }
      if (request.kind === "commit" && chance < 0.15) {
        faults.late += 1;
        void pass(runtime, 300)
          .then(send)
          .catch(() => undefined);
        throw new OutcomeUnknownError("a test keeps the request on its way");
      }
      return send();
    });
  }
  const spend = async (index: number): Promise<void> => {
    const options = { policies: [{ limit: 40, per: "2s", algorithm }], mode } as const;
    const limiter = world.client(index).limiter(options);
    for (let call = 0; call < 150; call += 1) {
      const cost = 1 + Math.floor(3 * runtime.random());
      const beganAtMs = world.nowMs();
      const { allowed, source, degraded } = await limiter.take("k", { cost });
      if (allowed && !degraded) {
        // Held tokens are spent now; what the store gave was so at some time since the question.
        const isPrompt = source === "lease" || world.nowMs() - beganAtMs < 50;
        if (isPrompt) spendings.push({ atMs: world.nowMs(), tokens: cost });
        faults.allowed += 1;
      } else faults.denied += 1;
      if (source === "lease") faults.leased += 1;
      await pass(runtime, 40 * runtime.random());
    }
  };
  const disturb = async (): Promise<void> => {
    for (let round = 0; round < 8; round += 1) {
      await pass(runtime, 400 * runtime.random());
      const client = world.client(Math.floor(3 * runtime.random()));
      const chance = runtime.random();
      if (chance < 0.4) {
        faults.paused += 1;
        client.pause();
        await pass(runtime, 3_000 * runtime.random());
        client.resume(runtime.random() < 0.5 ? "timers" : "answers");
      } else if (chance < 0.6) {
        faults.slept += 1;
        await client.sleepMachine(2_000 + 3_000 * runtime.random());
      } else {
        faults.jumped += 1;
        client.jumpWall((runtime.random() < 0.5 ? 30_000 : 3_600_000) * (runtime.random() < 0.5 ? 1 : -1));
      }
    }
  };
  const all = track(runtime, Promise.all([spend(0), spend(1), spend(2), disturb()]));
  for (let step = 0; step < 4_000 && all.state === "pending"; step += 1) await runtime.advance(50);
  expect(all.error).toBeUndefined();
  expect(all.state).toBe("resolved");
  return spendings.toSorted((a, b) => a.atMs - b.atMs);
}

test.each(["exact", "leased", "auto"] as const)(
  "%s: whatever goes wrong, clients with clocks that jump never spend more than the limit",
  async (mode) => {
    // What the store gave just before it was told of may count a round trip later.
    const slackMs = 50;
    for (let seed = 1; seed <= 12; seed += 1) {
      const bucket = await play(seed, "token-bucket", mode);
      expect(
        excess(bucket, (ms) => 40 + ((ms + slackMs) * 40) / 2_000),
        `seed ${seed}`,
      ).toBeLessThanOrEqual(0);
      const window = await play(seed, "sliding-window", mode);
      const over = excess(window, (ms) => (ms + slackMs < 2_000 ? 40 : Number.POSITIVE_INFINITY));
      expect(over, `seed ${seed}`).toBeLessThanOrEqual(0);
    }
  },
);

test("what was to be tried happened", () => {
  expect(Object.entries(faults).filter(([, count]) => count < 50)).toEqual([]);
});
