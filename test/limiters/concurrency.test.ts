// Goal: a concurrency limiter never has more at work than its limit, waits in order, and says no as a value.
import { expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { createWorld, deathMs, now, track } from "../locks/world.ts";

test("as many as the limit are at work for each key, and the next one is told so", async () => {
  const { runtime, client } = createWorld();
  const limiterOf = (index: number) => client(index).coordinator.concurrencyLimiter("exports", { limit: 2 });
  const [first, second] = [
    await now(runtime, limiterOf(0).take("anna")),
    await now(runtime, limiterOf(1).take("anna")),
  ];
  expect([first.allowed, second.allowed]).toEqual([true, true]);
  const third = await now(runtime, limiterOf(0).take("anna"));
  expect(third).toMatchObject({ allowed: false, limit: 2, cost: 1, grant: null });
  await now(runtime, third.release());
  expect((await now(runtime, limiterOf(0).take("bert"))).allowed).toBe(true);
  await now(runtime, first.release());
  expect((await now(runtime, limiterOf(0).take("anna"))).allowed).toBe(true);
});

test("who waits gets the place that is given back, and who waited too long is denied", async () => {
  const { runtime, client } = createWorld();
  const limiter = client(0).coordinator.concurrencyLimiter("exports", { limit: 1 });
  const held = await now(runtime, limiter.take("k"));
  const waiting = track(
    runtime,
    client(1).coordinator.concurrencyLimiter("exports", { limit: 1 }).take("k", { wait: "5s" }),
  );
  const late = track(runtime, limiter.take("k", { wait: "1s" }));
  await runtime.advance(1_500);
  expect(late.value?.allowed).toBe(false);
  await held.release();
  await runtime.settle();
  expect(waiting.value?.allowed).toBe(true);
});

test("the place of a process that died is free after its lease", async () => {
  const { runtime, client } = createWorld();
  await now(runtime, client(0).coordinator.concurrencyLimiter("exports", { limit: 1 }).take("k"));
  client(0).pause();
  const waiting = track(
    runtime,
    client(1).coordinator.concurrencyLimiter("exports", { limit: 1 }).take("k", { wait: "1m" }),
  );
  await runtime.advance(2 * deathMs + 5_000);
  expect(waiting.value?.allowed).toBe(true);
});

test("another limit for the same key, and what makes no sense, is refused", async () => {
  await using coordinator = await connect("memory:");
  await using _held = await coordinator.concurrencyLimiter("a", { limit: 2 }).take("k");
  await expect(coordinator.concurrencyLimiter("a", { limit: 3 }).take("k")).rejects.toMatchObject({
    code: "LIMIT_MISMATCH",
  });
  const limiter = coordinator.concurrencyLimiter("a", { limit: 2 });
  for (const cost of [0, 3, 1.5, Number.NaN]) {
    await expect(limiter.take("k", { cost })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  await expect(limiter.take("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  for (const limit of [0, -1, 2.5, "3" as unknown as number]) {
    expect(() => coordinator.concurrencyLimiter("a", { limit })).toThrow(/whole number from 1/);
  }
});
