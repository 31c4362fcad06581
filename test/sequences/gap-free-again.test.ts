// Goal: a sequence without gaps has none, also where an answer was lost and others used many numbers before it was asked again.
import { expect, test } from "vitest";
import { ForgottenError } from "../../src/core/forgotten-error.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { NumberDispenser } from "../../src/sequences/number-dispenser.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { createWorld, pass } from "../counters/counter-world.ts";

function stepper(runtime: VirtualRuntime) {
  return async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const mark = () => {
      isOver = true;
    };
    work.then(mark, mark);
    for (let i = 0; i < 40_000 && !isOver; i += 1) await runtime.advance(0.5);
    return work;
  };
}

test("whoever asks again after 32 others finds the number that it used", async () => {
  const { runtime, client } = createWorld({ clients: 2, tripMs: 0.2 });
  const [mine, other] = [
    client(0).coordinator.sequence("x", { gapFree: true }),
    client(1).coordinator.sequence("x", { gapFree: true }),
  ];
  const got: number[] = [];
  const step = stepper(runtime);
  got.push(await step(other.next()), await step(mine.next()), await step(mine.next()));
  let isFirst = true;
  let meanwhile: Promise<void> | undefined;
  client(0).spoil(async (request, send) => {
    if (request !== "commit" || !isFirst) return send();
    isFirst = false;
    await send();
    meanwhile = (async () => {
      for (let i = 0; i < 32; i += 1) got.push(await other.next());
    })();
    await meanwhile; // on the way of the lost answer
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const told = await step(mine.next().catch((error) => error.code));
  if (typeof told === "number") got.push(told);
  await step(meanwhile as Promise<void>);
  got.push(await step(other.next()));
  const sorted = [...got].sort((a, b) => a - b);
  expect(sorted).toEqual(sorted.map((_, index) => index + 1));
});

test("what used no number is not unknown: the turn of somebody who waited", async () => {
  const { runtime, client } = createWorld({ clients: 2, tripMs: 0.2 });
  const step = stepper(runtime);
  const mine = client(0).coordinator.sequence("x", { gapFree: true });
  const other = client(1).coordinator.sequence("x", { gapFree: true });
  for (let i = 0; i < 32; i += 1) await step(other.issue(() => undefined));
  const gate = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const busy = other.issue(async () => {
    held.resolve();
    await gate.promise;
  });
  await step(held.promise);
  let isFirst = true;
  client(0).spoil(async (request, send) => {
    if (request !== "commit" || !isFirst) return send();
    isFirst = false;
    throw new OutcomeUnknownError("a test lost a request that used nothing");
  });
  const asked = mine.next().catch((error) => error.code);
  await runtime.advance(500);
  gate.resolve();
  await step(busy);
  expect(await step(asked)).toBe(34);
});
test("nobody is told that a number does not count which does, also where others gave theirs back", async () => {
  const { runtime, client, clients, store } = createWorld({ clients: 34, tripMs: 0.2 });
  // All clients share one object, which must outlive the first that closes.
  Object.assign(store, { close: async () => undefined });
  const step = stepper(runtime);
  const mine = client(0).coordinator.sequence("x", { gapFree: true });
  let isArmed = false;
  client(0).spoil(async (request, send) => {
    if (request !== "commit" || !isArmed) return send();
    isArmed = false;
    await send();
    for (const each of clients.slice(1, 33)) {
      const abort = new AbortController();
      const asked = each.coordinator
        .sequence("x", { gapFree: true })
        .next({ signal: abort.signal })
        .catch((error) => error.code);
      while (each.counts.commit === 0) await pass(runtime, 0.05);
      abort.abort();
      await asked;
      await pass(runtime, 1);
      await each.coordinator.close();
    }
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const told = await step(
    mine
      .issue(() => {
        isArmed = true;
      })
      .catch((error) => error.message),
  );
  const last = await step(client(33).coordinator.sequence("x", { gapFree: true }).next());
  expect(last, "1 counts as used").toBe(2);
  expect(told ?? "used").not.toMatch(/does not count as used/);
});
test("numbers that a request may have used are not forgotten with it", async () => {
  const runtime = createVirtualRuntime({ seed: 1 });
  const step = stepper(runtime);
  let used = 0;
  const source = {
    subject: "x",
    take: async () => {
      used += 1;
      throw used === 1 ? new OutcomeUnknownError("lost") : new UnavailableError("away");
    },
    giveBack: async () => undefined,
  };
  const dispenser = new NumberDispenser(runtime, source as never, "demand");
  const told = await step(dispenser.take(1, undefined).catch((error) => error.code));
  await runtime.advance(10);
  expect(told).toBe("UNAVAILABLE");
  expect(dispenser.isBusy).toBe(true);
});

test("a sequence that may have gaps goes on past what nobody can tell", async () => {
  const runtime = createVirtualRuntime({ seed: 1 });
  const step = stepper(runtime);
  let asked = 0;
  const source = {
    subject: "x",
    take: async (count: number) => {
      asked += 1;
      if (asked === 1) throw new ForgottenError("x");
      return 2 * count;
    },
    giveBack: async () => undefined,
  };
  const dispenser = new NumberDispenser(runtime, source as never, "adaptive");
  expect(await step(dispenser.take(1, undefined).catch((error) => error.code))).toEqual([expect.any(Number)]);
});
