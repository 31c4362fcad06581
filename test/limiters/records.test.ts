// Goal: the record of a live key outlives changed policies, other versions of a program beside this one, and garbage, and
// bad input is refused before anything is asked.
import { expect, test } from "vitest";
import type { Policy, RateLimiterOptions } from "../../src/index.ts";
import { createLimiterWorld, recordOf, within } from "./limiter-world.ts";

const put = (value: string) => ({ kind: "put", key: recordOf(), value: Buffer.from(value) }) as const;

test("a policy with other numbers has as much used as it had", async () => {
  const changes: readonly (readonly [Policy, number])[] = [
    [{ name: "p", limit: 20, per: "1h" }, 14],
    [{ name: "p", limit: 8, per: "1h" }, 2],
    [{ name: "p", limit: 4, per: "1h" }, 0],
    [{ name: "p", limit: 20, per: "2h", algorithm: "fixed-window" }, 14],
    [{ name: "p", limit: 20, per: "2h", algorithm: "sliding-window" }, 14],
    [{ name: "p", limit: 20, per: "day", algorithm: "calendar-window" }, 14],
  ];
  for (const [policy, remaining] of changes) {
    const { client, runtime } = createLimiterWorld({ clients: 2 });
    const before = client(0).limiter({ policies: [{ name: "p", limit: 10, per: "1h" }], mode: "exact" });
    await within(runtime, before.take("k", { cost: 6 }));
    const after = client(1).limiter({ policies: [policy], mode: "exact" });
    expect((await within(runtime, after.peek("k"))).remaining).toBe(remaining);
    if (remaining === 0) expect(await within(runtime, after.take("k"))).toMatchObject({ allowed: false });
  }
});

test("two versions of a program with other policies, side by side, each hold theirs", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const older = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  const newer = client(1).limiter({
    policies: [
      { limit: 5, per: "1h", algorithm: "fixed-window" },
      { limit: 50, per: "1d" },
    ],
    mode: "exact",
  });
  const taken = { older: 0, newer: 0 };
  for (let call = 0; call < 30; call += 1) {
    if ((await within(runtime, older.take("k"))).allowed) taken.older += 1;
    if ((await within(runtime, newer.take("k"))).allowed) taken.newer += 1;
  }
  expect(taken).toEqual({ older: 10, newer: 5 });
});

test("policies that nobody has any more are forgotten when nothing of them counts", async () => {
  const { client, runtime, stored } = createLimiterWorld();
  for (let version = 1; version <= 12; version += 1) {
    const limiter = client(0).limiter({ policies: [{ limit: version, per: "10s" }], mode: "exact" });
    await within(runtime, limiter.take("k"));
  }
  expect(((await stored()) as { p: unknown[] }).p.length).toBe(9);
  await runtime.advance(30_000);
  await within(
    runtime,
    client(0)
      .limiter({ policies: [{ limit: 1, per: "10s" }], mode: "exact" })
      .take("k"),
  );
  expect(((await stored()) as { p: unknown[] }).p.length).toBe(1);
});

test("a policy that is new beside tokens that are out counts them", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const older = client(0).limiter({ policies: [{ limit: 100, per: "1h" }], mode: "exact" });
  await within(runtime, older.reserve("k", { cost: 30, ttl: "1h" }));
  const newer = client(1).limiter({ policies: [{ limit: 50, per: "1h", algorithm: "sliding-window" }] });
  expect((await within(runtime, newer.peek("k"))).remaining).toBe(20);
});

test("the record of a later version is refused with what to do, and left alone", async () => {
  const { client, runtime, store, stored } = createLimiterWorld();
  await store.commit([put('{"v":2,"something":"new"}')]);
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  for (const ask of [() => limiter.take("k"), () => limiter.peek("k"), () => limiter.reset("k")]) {
    await expect(within<unknown>(runtime, ask())).rejects.toMatchObject({ code: "UNSUPPORTED" });
  }
  expect(await stored()).toEqual({ v: 2, something: "new" });
});

const entry = (...used: readonly unknown[]) => ["10/1h", "token-bucket", 10, 10, 3_600_000, 0, 0, ...used];
const record = (changes: object) => ({ v: 1, t: 1, b: 0, p: [entry(10, 1)], l: [], w: [], ...changes });

test.each([
  ["no JSON", "\u0000\u0001"],
  ["nothing", ""],
  ["null", "null"],
  ["a list", "[]"],
  ["a number", "7"],
  ["no version", JSON.stringify(record({ v: undefined }))],
  ["a version of before the first", JSON.stringify(record({ v: 0 }))],
  ["a time that is none", JSON.stringify(record({ t: -1 }))],
  ["half a policy", JSON.stringify(record({ p: [["10/1h", "token-bucket", 10]] }))],
  ["a policy of nothing", JSON.stringify(record({ p: [["10/1h", "token-bucket", 0, 0, 0, 0, 0, 1, 1]] }))],
  ["an algorithm nobody knows", JSON.stringify(record({ p: [["10/1h", "leaky", 10, 10, 1, 0, 0, 1, 1]] }))],
  [
    "a window of less than nothing",
    JSON.stringify(record({ p: [["10/1h", "fixed-window", 10, 10, 1, 0, 0, 1, -50]] })),
  ],
  [
    "a calendar of nowhere",
    JSON.stringify(record({ p: [["10/1h", "calendar-window", 10, 10, 1, "day", "Nowhere/Else", 1, 1, 0]] })),
  ],
  [
    "a unit of no calendar",
    JSON.stringify(record({ p: [["x", "calendar-window", 10, 10, 1, "fortnight", 0, 1, 1, 0]] })),
  ],
  ["fractions", JSON.stringify(record({ p: [entry(0.5, 1)] }))],
  ["leases of nothing", JSON.stringify(record({ l: [[]] }))],
  ["leases without tokens", JSON.stringify(record({ l: [[5]] }))],
  ["marks that are none", JSON.stringify(record({ w: [[1, 2]] }))],
])("%s instead of a record is told as corrupt, and heals when it is deleted", async (_, value) => {
  const { client, runtime, store } = createLimiterWorld();
  await store.commit([put(value)]);
  for (const mode of ["exact", "leased"] as const) {
    const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode, onUnavailable: "allow" });
    await expect(within(runtime, limiter.take("k"))).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  }
  await store.commit([{ kind: "delete", key: recordOf() }]);
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: true, remaining: 9 });
});

const good = { policies: [{ limit: 10, per: "1h" }] } as const;
const bad: readonly unknown[] = [
  undefined,
  null,
  {},
  { policies: [] },
  { policies: "10/1h" },
  { policies: Array.from({ length: 9 }, (_, index) => ({ limit: index + 1, per: "1h" })) },
  {
    policies: [
      { limit: 10, per: "1h" },
      { limit: 10, per: "60m" },
    ],
  },
  ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40 + 1, "10", 10n, null, undefined].flatMap(
    (limit) => [
      { policies: [{ limit, per: "1h" }] },
      { policies: [{ limit, per: "day", algorithm: "calendar-window" }] },
    ],
  ),
  ...[0, -1, 9, "1", "soon", "", null, undefined, Number.POSITIVE_INFINITY, "367d"].map((per) => ({
    policies: [{ limit: 10, per }],
  })),
  ...[0, -1, 1.5, 2 ** 41].map((burst) => ({ policies: [{ limit: 10, per: "1h", burst }] })),
  { policies: [{ limit: 10, per: "1h", burst: 5, algorithm: "fixed-window" }] },
  { policies: [{ limit: 10, per: "1h", algorithm: "leaky" }] },
  { policies: [{ limit: 10, per: "1h", algorithm: "calendar-window" }] },
  { policies: [{ limit: 10, per: "day", algorithm: "calendar-window", timeZone: "Nowhere/Else" }] },
  { policies: [{ limit: 10, per: "day" }] },
  { policies: [{ limit: 10, per: "1h", name: "" }] },
  { policies: [{ limit: 10, per: "1h", name: 7 }] },
  { policies: [{ limit: 10, per: "1h", max: 7 }] },
  { policies: [null] },
  { policies: [{ limit: 2 ** 40 - 1, per: "365d", burst: 2 ** 40 }] },
  { ...good, mode: "fast" },
  { ...good, onUnavailable: "hope" },
  { ...good, localShare: 0 },
  { ...good, localShare: 1.1 },
  { ...good, localShare: Number.NaN },
  { ...good, localShare: "0.5" },
  { ...good, timeout: 1 },
  { ...good, timeout: "2m" },
  { ...good, queueMax: -1 },
  { ...good, queueMax: 0.5 },
  { ...good, window: 5 },
];

test("limiters that cannot be are refused with a message", () => {
  const { coordinator } = createLimiterWorld().client(0);
  for (const options of bad) {
    expect(
      () => coordinator.rateLimiter("api", options as RateLimiterOptions),
      JSON.stringify(options, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    ).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  for (const name of ["", 7, null, "\ud800", "x".repeat(1_025)] as string[]) {
    expect(() => coordinator.rateLimiter(name, good)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
});

test("what cannot be asked is refused before anything is sent", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter(good);
  const wrong = async (...calls: readonly (() => Promise<unknown>)[]): Promise<void> => {
    for (const call of calls) {
      await expect(within(runtime, call()), String(call)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  };
  for (const key of ["", 7, null, undefined, {}, "\ud800", "x".repeat(1_025)] as string[]) {
    await wrong(
      () => limiter.take(key),
      () => limiter.peek(key),
      () => limiter.reserve(key),
      () => limiter.block(key, "1s"),
      () => limiter.reset(key),
    );
  }
  for (const cost of [
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 40 + 1,
    "1",
    null,
    1n,
  ] as number[]) {
    await wrong(
      () => limiter.take("k", { cost }),
      () => limiter.peek("k", { cost }),
      () => limiter.reserve("k", { cost }),
      () => limiter.penalty("k", cost),
      () => limiter.reward("k", cost),
      () => limiter.set("k", cost),
    );
  }
  for (const wait of [-1, "soon", "", null, Number.NaN] as number[]) {
    await wrong(
      () => limiter.take("k", { wait }),
      () => limiter.reserve("k", { wait }),
    );
  }
  await wrong(
    () => limiter.take("k", null as never),
    () => limiter.take("k", 5 as never),
    () => limiter.take("k", { costs: 1 } as never),
    () => limiter.take("k", { signal: "stop" as never }),
    () => limiter.peek("k", { wait: 1 } as never),
    () => limiter.reserve("k", { ttl: 1 }),
    () => limiter.reserve("k", { ttl: Number.POSITIVE_INFINITY }),
    () => limiter.block("k", 0),
    () => limiter.block("k", -5),
    () => limiter.block("k", "400d"),
    () => limiter.block("k", undefined as never),
  );
  const { reads, writes } = client(0).backend.counts;
  expect(reads + writes).toBe(0);
  const reservation = await within(runtime, limiter.reserve("k"));
  await wrong(
    () => reservation.settle(-1),
    () => reservation.settle(0.5),
  );
  expect(await within(runtime, reservation.settle(0))).toMatchObject({ remaining: 10 });
});
