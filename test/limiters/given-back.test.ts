// Goal: what is given back to a limiter is given back once, and a reset or set done once, however many others wrote before
// it was found out.
import { expect, test } from "vitest";
import { OutcomeUnknownError } from "../../src/index.ts";
import { createLimiterWorld, within } from "./limiter-world.ts";

/** A limiter of eighteen clients, and what takes from it. */
function crowd(limit: number) {
  const options = { policies: [{ limit, per: "1h", algorithm: "fixed-window" }], mode: "exact" } as const;
  const world = createLimiterWorld({ clients: 18 });
  const { runtime, client } = world;
  const takeWith = async (index: number, cost: number) =>
    (await within(runtime, client(index).limiter(options).take("k", { cost }), 60_000)).allowed;
  return { ...world, options, takeWith };
}

for (const what of ["reward", "settle"] as const) {
  test(`${what}: the limit is kept`, async () => {
    const { runtime, clients, client, options, takeWith } = crowd(100);
    const limiter = client(0).limiter(options);
    const reserved = await within(runtime, limiter.reserve("k", { cost: 10, ttl: "1h" } as never), 1_000);
    const other = await within(
      runtime,
      client(17)
        .limiter(options)
        .reserve("k", { cost: 10, ttl: "1h" } as never),
      1_000,
    );
    expect([reserved.allowed, other.allowed]).toEqual([true, true]);
    expect(await takeWith(0, 40)).toBe(true); // used: 60
    let isFirst = true;
    client(0).backend.intercept(async (request, send) => {
      if (request.kind !== "commit" || !isFirst) return send();
      isFirst = false;
      await send();
      await Promise.all(clients.slice(1, 17).map((each) => each.limiter(options).take("k", { cost: 1 })));
      throw new OutcomeUnknownError("a test lost it");
    });
    await within(runtime, what === "reward" ? limiter.reward("k", 10) : reserved.cancel(), 60_000);
    let taken = 0;
    while (await takeWith(1, 1)) taken += 1;
    // 100 in the window: 20 reserved, 40 taken, 16 taken, 10 given back, so 34 are left.
    expect(taken).toBe(34);
  });
}

for (const what of ["reset", "set"] as const) {
  test(`${what}: the limit is kept`, async () => {
    const { runtime, clients, client, options, takeWith } = crowd(20);
    expect(await takeWith(0, 20)).toBe(true);
    let isFirst = true;
    let taken = 0;
    client(0).backend.intercept(async (request, send) => {
      if (request.kind !== "commit" || !isFirst) return send();
      isFirst = false;
      await send();
      const all = await Promise.all(
        clients.slice(1, 17).map((each) => each.limiter(options).take("k", { cost: 1 })),
      );
      taken += all.filter(({ allowed }) => allowed).length;
      throw new OutcomeUnknownError("a test lost it");
    });
    const limiter = client(0).limiter(options);
    const asked: Promise<unknown> = what === "reset" ? limiter.reset("k") : limiter.set("k", 0);
    await expect(within(runtime, asked, 60_000)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    while (await takeWith(1, 1)) taken += 1;
    expect(taken).toBeLessThanOrEqual(20);
  });
}
