// Goal: the SQL form of a fenced write refuses late holders in a real database, tells refused from absent and from
// unmatched, and lets nothing into its text that is not a name.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import {
  CorruptRecordError,
  createCoordinator,
  type FencedUpdateOptions,
  type FencedUpdateOutcome,
  FenceRejectedError,
  fencedUpdate,
  InvalidArgumentError,
  sqlFragment,
} from "../../src/index.ts";

type Fence = { readonly fence: number };

/** A database with one row, `id` 1, and a function that does one fenced update as a user would. */
function invoices() {
  const database = new DatabaseSync(":memory:");
  database.exec(
    'CREATE TABLE invoices (id INTEGER PRIMARY KEY, amount INTEGER, "order" TEXT, fence INTEGER)',
  );
  database.exec("INSERT INTO invoices (id, amount) VALUES (1, 10)");
  const write = (
    grant: Fence,
    set: Record<string, unknown>,
    more: Partial<FencedUpdateOptions> = {},
  ): FencedUpdateOutcome => {
    const update = fencedUpdate(grant, { table: "invoices", key: { id: 1 }, set, ...more });
    const { changes } = database.prepare(update.text).run(...(update.parameters as number[]));
    if (changes !== 0) return update.outcome(changes);
    return update.outcome(
      changes,
      database.prepare(update.look.text).all(...(update.look.parameters as number[])),
    );
  };
  const row = () => ({ ...database.prepare("SELECT amount, fence FROM invoices WHERE id = 1").get() });
  return { database, write, row };
}

describe("a fenced update", () => {
  test("takes the writes of the holder, and refuses a late one of the holder before", async () => {
    const { write, row } = invoices();
    const backend = memoryBackend();
    await using coordinator = createCoordinator(backend);
    const early = await coordinator.lock("invoice-1").acquire();
    expect(write(early, { amount: 20 })).toBe("written");
    expect(write(early, { amount: 30 })).toBe("written");
    await early.release();
    const late = await coordinator.lock("invoice-1").acquire();
    // The new holder has only shown itself.
    expect(write(late, {})).toBe("written");
    expect(row()).toEqual({ amount: 30, fence: late.fence });
    const refusal = { code: "FENCE_REJECTED", fence: early.fence, seenFence: late.fence, retryable: false };
    expect(() => write(early, { amount: 99 })).toThrow(expect.objectContaining(refusal));
    expect(() => write(early, { amount: 99 })).toThrow(FenceRejectedError);
    expect(row()).toEqual({ amount: 30, fence: late.fence });
  });

  test("tells a row that is not there, and a condition that did not hold, from a refusal", () => {
    const { write, row } = invoices();
    const and = sqlFragment`amount >= ${100}`;
    expect(write({ fence: 5 }, { amount: 1 }, { key: { id: 2 } })).toBe("absent");
    expect(write({ fence: 5 }, { amount: 1 }, { and })).toBe("unmatched");
    expect(row()).toEqual({ amount: 10, fence: null });
    expect(write({ fence: 5 }, {})).toBe("written");
    expect(write({ fence: 5 }, { amount: 1 }, { and })).toBe("unmatched");
    expect(write({ fence: 6 }, { amount: 1 }, { and })).toBe("unmatched");
    expect(() => write({ fence: 4 }, { amount: 1 }, { and })).toThrow(FenceRejectedError);
    expect(row()).toEqual({ amount: 10, fence: 5 });
  });

  test("takes expressions, conditions with alternatives, several key columns and quoted names", () => {
    const { write, row } = invoices();
    const set = { amount: sqlFragment`amount + ${5}`, '"order"': "x" };
    const and = sqlFragment`amount = ${0} OR amount = ${10}`;
    expect(write({ fence: 9 }, set, { and, key: { id: 1, amount: 10 } })).toBe("written");
    expect(row()).toEqual({ amount: 15, fence: 9 });
    // Without the parentheses around it, the second half would let a late write in.
    const either = sqlFragment`amount = ${0} OR amount = ${15}`;
    expect(() => write({ fence: 8 }, { amount: 1 }, { and: either })).toThrow(FenceRejectedError);
  });

  test("numbers its parameters for drivers that want it", () => {
    const options = {
      table: "app.invoices",
      key: { id: 1, region: "eu" },
      column: "seen",
      placeholders: "$",
    } as const;
    const { text, parameters, look } = fencedUpdate(
      { fence: 7 },
      {
        ...options,
        set: { amount: sqlFragment`amount + ${5} * ${sqlFragment`ratio / ${2}`}`, note: null },
        and: sqlFragment`state = ${"open"}`,
      },
    );
    expect(text).toBe(
      "UPDATE app.invoices SET amount = amount + $1 * ratio / $2, note = $3, seen = $4 " +
        "WHERE id = $5 AND region = $6 AND (seen IS NULL OR seen <= $7) AND (state = $8)",
    );
    expect(parameters).toEqual([5, 2, null, 7, 1, "eu", 7, "open"]);
    expect(look).toEqual({
      text: "SELECT seen AS fence FROM app.invoices WHERE id = $1 AND region = $2",
      parameters: [1, "eu"],
    });
  });

  test("reads fences as drivers hand them out", () => {
    const { outcome } = fencedUpdate({ fence: 7 }, { table: "t", key: { id: 1 } });
    expect(outcome(1n)).toBe("written");
    for (const fence of [8, 8n, "8"]) {
      expect(() => outcome(0n, [{ fence }])).toThrow(expect.objectContaining({ fence: 7, seenFence: 8 }));
    }
    for (const fence of [7, 7n, "7", null]) expect(outcome(0, [{ fence }])).toBe("unmatched");
    expect(outcome(0, [])).toBe("absent");
  });

  test("takes what stands in the column for a fence only if it is one", () => {
    const { outcome } = fencedUpdate({ fence: 7 }, { table: "t", key: { id: 1 } });
    for (const fence of ["", "x", 1.5, -1, undefined, true, "9".repeat(30)]) {
      expect(() => outcome(0, [{ fence }])).toThrow(CorruptRecordError);
    }
  });

  test("refuses to guess why nothing was changed", () => {
    const { outcome } = fencedUpdate({ fence: 7 }, { table: "t", key: { id: 1 } });
    expect(() => outcome(0)).toThrow("outcome needs the rows that look found");
    expect(() => outcome(Number.NaN, [])).toThrow("the number of changed rows");
    expect(() => outcome(undefined as never, [])).toThrow(InvalidArgumentError);
  });

  test("lets nothing into its text that is not a name", () => {
    const key = { id: 1 };
    const bad: readonly (readonly [options: unknown, message: string])[] = [
      [undefined, "the options of fencedUpdate"],
      [{ table: "t; DROP TABLE t", key }, "table must be a name"],
      [{ table: "", key }, "table must be a name"],
      [{ table: 'a"b', key }, "table must be a name"],
      [{ table: '"a"b"', key }, "table must be a name"],
      [{ table: "t", key: { "id = id OR 1": 1 } }, "a column of key must be a name"],
      [{ table: "t", key, set: { "a = 1, b": 1 } }, "a column of set must be a name"],
      [{ table: "t", key, column: "fence--" }, "column must be a name"],
      [{ table: "t", key, set: { FENCE: 1 } }, "belongs to the fence"],
      [{ table: "t", key: {} }, "key must name at least one column"],
      [{ table: "t" }, "key must be an object"],
      [{ table: "t", key: { id: undefined } }, "the column id of key must have a value"],
      [{ table: "t", key: { id: null } }, "the column id of key must have a value"],
      [{ table: "t", key, set: { amount: undefined } }, "the column amount of set must have a value"],
      [{ table: "t", key, placeholders: ":name" }, 'placeholders must be "?" or "$"'],
      [{ table: "t", key, and: "1 = 1" }, "and must be made by sqlFragment"],
      [{ table: "t", key, where: "x" }, 'fencedUpdate has no option "where"'],
    ];
    for (const [options, message] of bad) {
      const attempt = () => fencedUpdate({ fence: 1 }, options as FencedUpdateOptions);
      expect(attempt).toThrow(InvalidArgumentError);
      expect(attempt).toThrow(message);
    }
  });

  test.for([
    undefined,
    null,
    7,
    {},
    { fence: 0 },
    { fence: -1 },
    { fence: 1.5 },
    { fence: "7" },
    { fence: Number.NaN },
  ])("needs a fence; %j is none", (grant) => {
    const attempt = () => fencedUpdate(grant as never, { table: "t", key: { id: 1 } });
    expect(attempt).toThrow(InvalidArgumentError);
    expect(attempt).toThrow("fencedUpdate needs a grant, or { fence }");
  });
});
