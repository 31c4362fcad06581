// Goal: both ends of the numbers are clear, strange records and options are refused, and no record leads back.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import { now, track } from "../locks/world.ts";
import { createWorld } from "./world.ts";

const key = recordKey("default", "sequence-blocks", "orders");

describe("at the edges", () => {
  test("the last number is 2^53 - 1, and then there is a clear end", async () => {
    const world = createWorld();
    const start = Number.MAX_SAFE_INTEGER - 20;
    const one = world.client();
    const sequence = one.coordinator.sequence("orders", { block: 8, start });
    const numbers = [];
    for (let index = 0; index < 21; index += 1) numbers.push(await now(world.runtime, sequence.next()));
    expect(numbers.at(-1)).toBe(Number.MAX_SAFE_INTEGER);
    await expect(sequence.next()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await expect(sequence.next()).rejects.toThrow(
      /"orders" has no number left: they end at 9007199254740991/,
    );
    const exact = world.client().coordinator.sequence("orders", { block: 1 });
    await expect(exact.next()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("of several who want the last numbers, the first get them", async () => {
    const world = createWorld();
    for (const block of [1, 5]) {
      const one = world.client();
      const start = Number.MAX_SAFE_INTEGER - 2;
      const sequence = one.coordinator.sequence(`end-${block}`, { block, start });
      const calls = [2, 2, 1, 1].map((count) => track(world.runtime, sequence.take(count)));
      await world.runtime.settle();
      expect(calls.map(({ state }) => state)).toEqual(["resolved", "rejected", "resolved", "rejected"]);
      expect(calls[2]?.value).toEqual([Number.MAX_SAFE_INTEGER]);
    }
  });

  test("the first to come decides where the numbers start, 0 included", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    expect(await one.coordinator.sequence("a", { start: 1_000, block: 1 }).next()).toBe(1_000);
    expect(await other.coordinator.sequence("a", { start: 5, block: 1 }).next()).toBe(1_001);
    expect(await other.coordinator.sequence("zero", { start: 0 }).next()).toBe(0);
  });

  test("a record that was deleted leads a process to no number that it had before", async () => {
    const world = createWorld();
    const one = world.client();
    for (const block of [1, 10]) {
      const sequence = one.coordinator.sequence("orders", { block });
      const before = Math.max(...(await sequence.take(25)));
      await world.runtime.settle();
      await world.store.commit([{ kind: "delete", key }]);
      const after = [await sequence.take(30), await sequence.take(30)].flat();
      expect(Math.min(...after)).toBeGreaterThan(before);
      expect(new Set(after).size).toBe(60);
      await world.store.commit([{ kind: "delete", key }]);
    }
  });

  test("what is no sequence at all is refused", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const invalid = { code: "INVALID_ARGUMENT" };
    for (const options of [
      { block: 0 },
      { block: 1.5 },
      { block: -1 },
      { block: 65_537 },
      { block: Number.NaN },
      { start: -1 },
      { start: 0.5 },
      { start: 2 ** 53 },
      { gapFree: "yes" },
      { gapFree: true, block: 5 },
      { blocks: 5 },
    ]) {
      expect(() => coordinator.sequence("orders", options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining(invalid),
      );
    }
    expect(() => coordinator.sequence("")).toThrow(expect.objectContaining(invalid));
    const sequence = coordinator.sequence("orders");
    for (const count of [0, -1, 1.5, 100_001, Number.NaN, "3"]) {
      await expect(sequence.take(count as number)).rejects.toMatchObject(invalid);
    }
    await expect(sequence.next({ signal: "now" } as never)).rejects.toMatchObject(invalid);
    await expect(sequence.next({ wait: 1 } as never)).rejects.toMatchObject(invalid);
    await world.store.commit([{ kind: "put", key, value: Buffer.from("text") }]);
    await expect(sequence.next()).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  });

  test("one name is either without gaps or in blocks", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    await one.coordinator.sequence("a", { gapFree: true }).next();
    await expect(other.coordinator.sequence("a").next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await one.coordinator.sequence("b").next();
    const gapFree = other.coordinator.sequence("b", { gapFree: true });
    await expect(gapFree.next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(gapFree.issue(() => 1)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
