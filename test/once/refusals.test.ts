// Goal: what a caller gets of a key that stands for another request, of a result that cannot be stored, and of bad input.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import {
  connect,
  FingerprintMismatchError,
  InProgressError,
  InvalidValueError,
  LimitExceededError,
  type OnceOptions,
} from "../../src/index.ts";
import { now, track } from "../locks/world.ts";
import { createWorld } from "../sequences/world.ts";

describe("a fingerprint", () => {
  test("that is another one is refused: while the work runs, when it failed, and when its result is there", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    let end: (how: string) => void = () => undefined;
    const begin = () =>
      one.coordinator.once(
        "pay",
        () => new Promise((_resolve, reject) => (end = (how) => reject(new Error(how)))),
        {
          fingerprint: "10 EUR",
        },
      );
    let ran = 0;
    const refusals = async (): Promise<void> => {
      for (const { coordinator } of [one, other]) {
        for (const wait of [0, Number.POSITIVE_INFINITY]) {
          const refused = coordinator.once("pay", () => (ran += 1), { fingerprint: "20 EUR", wait });
          await expect(now(world.runtime, refused)).rejects.toBeInstanceOf(FingerprintMismatchError);
        }
      }
    };
    const failing = track(world.runtime, begin());
    await world.runtime.settle();
    await refusals();
    end("no");
    await world.runtime.settle();
    expect(failing.error).toEqual(new Error("no"));
    await refusals();
    const paid = other.coordinator.once("pay", () => "paid", { fingerprint: "10 EUR" });
    expect(await now(world.runtime, paid)).toBe("paid");
    await refusals();
    expect(ran).toBe(0);
    // Who says none asks for whatever is there.
    expect(
      await now(
        world.runtime,
        one.coordinator.once("pay", () => "again"),
      ),
    ).toBe("paid");
  });

  test("stays that of the first who gave one, also where a run between gave none", async () => {
    await using coordinator = await connect("memory:");
    const fail = () => Promise.reject(new Error("no"));
    await expect(coordinator.once("pay", fail, { fingerprint: "a" })).rejects.toThrow("no");
    await expect(coordinator.once("pay", fail)).rejects.toThrow("no");
    const other = coordinator.once("pay", () => 1, { fingerprint: "b" });
    await expect(other).rejects.toMatchObject({ code: "FINGERPRINT_MISMATCH", retryable: false });
  });
});

describe("a result that cannot be stored", () => {
  test("is no reason to run the work again: every caller gets the same error, which says that it ran", async () => {
    await using coordinator = await connect("memory:");
    let ran = 0;
    const large = (): string => {
      ran += 1;
      return "x".repeat(9_000_000);
    };
    for (const _ of [1, 2]) {
      const error = await coordinator.once("large", large).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(LimitExceededError);
      expect((error as LimitExceededError).size).toBeGreaterThan((error as LimitExceededError).limit ?? 0);
      expect(String(error)).toMatch(/has run, and is not run again/);
      const odd = coordinator.once("odd", () => {
        ran += 1;
        return new Map([[1, 2]]);
      });
      const refused = await odd.catch((thrown: unknown) => thrown);
      expect(refused).toBeInstanceOf(InvalidValueError);
      expect(refused).toMatchObject({ key: "odd" });
      expect(String(refused)).toMatch(/has run, and is not run again/);
    }
    expect(ran).toBe(2);
  });

  test("has its bound where the store has it: up to there, it is stored", async () => {
    await using coordinator = await connect("memory:");
    const { valueBytesMax } = coordinator.backend.capabilities;
    for (const size of [valueBytesMax - 8_400, valueBytesMax / 2]) {
      const text = '"'.repeat(100) + "x".repeat(size - 300);
      expect(await coordinator.once(`fits ${size}`, () => text)).toBe(text);
      expect(await coordinator.once(`fits ${size}`, () => "")).toBe(text);
    }
  });
});

describe("bad input", () => {
  const work = () => 1;
  const refused: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ["an empty key", "", work, {}],
    ["half a surrogate pair", "\ud800", work, {}],
    ["no work", "pay", undefined, {}],
    ["options for work", "pay", { wait: 0 }, undefined],
    ["a misspelt option", "pay", work, { retain: "1h" }],
    ["a negative wait", "pay", work, { wait: -1 }],
    ["no retention", "pay", work, { retention: 0 }],
    ["retention without meaning", "pay", work, { retention: Number.NaN }],
    ["an empty fingerprint", "pay", work, { fingerprint: "" }],
    ["a long fingerprint", "pay", work, { fingerprint: "x".repeat(257) }],
    ["a fingerprint that is no text", "pay", work, { fingerprint: 7 }],
    ["no codec", "pay", work, { codec: {} }],
    ["no signal", "pay", work, { signal: {} }],
    ["a lease of nothing", "pay", work, { ttl: 0 }],
  ];
  test.each(refused)("%s is refused before anything is sent", async (_, key, given, options) => {
    const world = createWorld();
    const client = world.client();
    const call = client.coordinator.once(key as string, given as typeof work, options as OnceOptions<number>);
    await expect(call).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(client.requests).toEqual([]);
  });

  test("another record under the key is told, and left alone", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const key = recordKey("default", "once", "pay");
    const roster = { format: "roster/1", name: "pay", fence: 1, capacity: 1, holders: [], waiters: [] };
    const notes = [null, 7, {}, { run: "a", attempt: 1, endsAtMs: 0 }];
    const late = { run: "a", attempt: 1, endsAtMs: null, retentionMs: null };
    for (const note of [...notes, { ...late, result: { kind: "text" } }, { ...late, fingerprint: 1 }]) {
      const value = Buffer.from(JSON.stringify({ ...roster, note }));
      await world.store.commit([{ kind: "put", key, value }]);
      const call = coordinator.once("pay", work);
      await expect(now(world.runtime, call)).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
      expect(Buffer.from((await world.store.get([key]))[0]?.value ?? [])).toEqual(value);
    }
  });

  test("errors have codes and say whether to try again", () => {
    expect(new InProgressError("")).toMatchObject({ code: "IN_PROGRESS", retryable: true });
    expect(new FingerprintMismatchError("")).toMatchObject({
      code: "FINGERPRINT_MISMATCH",
      retryable: false,
    });
  });
});
