// Goal: however others write between the copies of one write, the verdict about it is never wrong, and a conflict is
// final: no copy that is still on its way can land.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeWrite } from "../../src/backends/dynamodb/judge-write.ts";
import type { Expectation, Version } from "../../src/core/backend.ts";

/** What an item remembers: its last four versions, newest first. Empty: no item. */
const remembered = 4;

type Step = "put" | "delete" | "copy";

/** One key, the writes of others, and copies of one write under observation. */
class Key {
  chain: readonly Version[] = ["start"];
  applied = 0;
  #drawn = 0;
  readonly expect: Expectation | undefined;
  readonly written: Version | null;

  constructor(exists: boolean, expect: Expectation | undefined, written: Version | null) {
    this.chain = exists ? ["start"] : [];
    this.expect = expect;
    this.written = written;
  }

  /** Answers whether a copy was refused. */
  step(step: Step): boolean {
    if (step === "put") {
      this.#drawn += 1;
      this.#put(`other ${this.#drawn}`);
    } else if (step === "delete") {
      this.chain = [];
    } else {
      return !this.#copy();
    }
    return false;
  }

  #copy(): boolean {
    const { expect, written } = this;
    const current = this.chain[0] ?? null;
    const met = expect === undefined ? written === null || !this.chain.includes(written) : current === expect;
    if (!met) return false;
    this.applied += 1;
    if (written === null) this.chain = [];
    else this.#put(written);
    return true;
  }

  #put(version: Version): void {
    this.chain = [version, ...this.chain].slice(0, remembered);
  }
}

const steps = fc.array(fc.constantFrom<Step>("put", "put", "put", "delete", "copy"), { maxLength: 12 });
const written = fc.constantFrom<Version | null>("mine", null);

describe("the verdict about a write that was refused", () => {
  test("is right for puts and deletes that expect a version, and a conflict is final", () => {
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(steps, steps, written, (before, after, version) => {
        const key = new Key(true, "start", version);
        for (const step of before) key.step(step);
        if (!key.step("copy")) return;
        const verdict = judgeWrite("start", version, key.chain);
        verdicts.add(`${verdict} ${key.applied}`);
        if (verdict === "committed") expect(key.applied).toBe(1);
        if (verdict !== "conflict") return;
        for (const step of after) key.step(step);
        expect(key.applied).toBe(0);
      }),
      { numRuns: 5_000 },
    );
    expect([...verdicts].sort()).toEqual(["committed 1", "conflict 0", "unknown 0", "unknown 1"]);
  });

  test("is never a conflict for a create or a write without an expectation, and committed only if it was", () => {
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(steps, fc.constantFrom(null, undefined), (before, expectation) => {
        const key = new Key(false, expectation, "mine");
        for (const step of before) key.step(step);
        if (!key.step("copy")) return;
        const verdict = judgeWrite(expectation, "mine", key.chain);
        verdicts.add(verdict);
        if (verdict === "committed") expect(key.applied).toBeGreaterThan(0);
      }),
      { numRuns: 5_000 },
    );
    expect([...verdicts].sort()).toEqual(["committed", "unknown"]);
  });
});
