// Goal: the checkers of entries, of transfers and of payments find each planted bad log, and nothing in a good one.
import { describe, expect, test } from "vitest";
import { checkEntries, checkFading, checkUpdateTimes } from "./checkers/entries.ts";
import { checkOneResult, checkRepeats } from "./checkers/payments.ts";
import { checkGuards, checkOneOrder, checkTotals, checkTransfers } from "./checkers/transfers.ts";
import type { History, WorkerEvent } from "./history.ts";
import type { Account, EntryCall, EntryTold } from "./storage-events.ts";
import { bank } from "./worker-settings.ts";

function history(logs: readonly (readonly WorkerEvent[])[], rest: Partial<History> = {}): History {
  const workers = logs.map((events, place) => ({ worker: `w${place}.0`, place, events }));
  return {
    ...{ ttlMs: 1_000, workers, rounds: [], resource: [], startedAt: 0, leftovers: [], stubborn: [] },
    ...rest,
  };
}

let calls = 0;

/** Asked at the one time and, unless nobody knows, answered at the other. */
function asked(op: EntryCall, told: EntryTold | undefined, from: number, to: number): WorkerEvent[] {
  calls += 1;
  const call = calls;
  return [
    { at: from, event: "entry-called", call, key: "x", op },
    ...(told === undefined ? [] : [{ at: to, event: "entry-told", call, told } as const]),
  ];
}

const put = (value: number, version: string, from: number, to: number): WorkerEvent[] =>
  asked({ kind: "put", value }, { version }, from, to);
const get = (value: number, version: string, updatedAt: number, from: number, to: number): WorkerEvent[] =>
  asked({ kind: "get" }, { state: { value, version, updatedAt } }, from, to);
const add = (by: number, sum: number | undefined, from: number, to: number): WorkerEvent[] =>
  asked({ kind: "add", by }, sum === undefined ? undefined : { sum }, from, to);

describe("entries", () => {
  test("a lost update, an old read, and a second swap of one version are found", () => {
    const lost = [add(5, 5, 0, 10), add(7, 7, 20, 30)];
    const old = [put(1, "a", 0, 1), put(2, "b", 2, 3), get(1, "a", 5, 4, 5)];
    const swap = (value: number, version: string): WorkerEvent[] =>
      asked({ kind: "swap", expected: "a", value }, { version }, 2, 3);
    for (const log of [lost, old, [put(1, "a", 0, 1), swap(2, "b"), swap(3, "c")]])
      expect(checkEntries(history(log)).violations).toHaveLength(1);
  });

  test("a call without an answer was applied, or was not, and once at most", () => {
    const doubtful = add(5, undefined, 0, 0);
    for (const sum of [7, 12])
      expect(checkEntries(history([doubtful, add(7, sum, 10, 20)]))).toEqual({ examined: 1, violations: [] });
    expect(checkEntries(history([doubtful, add(7, 17, 10, 20)])).violations).toHaveLength(1);
  });

  test("what the store refused was not applied", () => {
    const [called] = add(5, undefined, 0, 0) as [WorkerEvent & { readonly call: number }];
    const refused = [
      called,
      { at: 1, event: "entry-failed", call: called.call, code: "UNAVAILABLE" } as const,
    ];
    expect(checkEntries(history([refused, add(7, 7, 10, 20)])).violations).toEqual([]);
    expect(checkEntries(history([refused, add(7, 12, 10, 20)])).violations).toHaveLength(1);
  });

  test("conditions that do not hold show what stands there", () => {
    const create = (value: number): WorkerEvent[] =>
      asked({ kind: "create", value: 9 }, { state: { value, version: "a" } }, 2, 3);
    expect(checkEntries(history([put(1, "a", 0, 1), create(1)])).violations).toEqual([]);
    expect(checkEntries(history([put(1, "a", 0, 1), create(2)])).violations).toHaveLength(1);
    const gone = asked({ kind: "delete" }, { existed: false }, 2, 3);
    expect(checkEntries(history([put(1, "a", 0, 1), gone])).violations).toHaveLength(1);
  });

  test("where reads may be old only writes are judged", () => {
    const old = [put(1, "a", 0, 1), put(2, "b", 2, 3), get(1, "a", 5, 4, 5)];
    const areReadsOld = true;
    expect(checkEntries(history(old, { areReadsOld })).violations).toEqual([]);
    const lost = [add(5, 5, 0, 10), add(7, 7, 20, 30)];
    expect(checkEntries(history(lost, { areReadsOld })).violations).toHaveLength(1);
  });

  test("update times that fall, that stand still, or that change are found", () => {
    const good = [put(1, "a", 0, 1), get(1, "a", 50, 2, 3), get(2, "b", 51, 4, 5)];
    expect(checkUpdateTimes(history(good))).toEqual({ examined: 3, violations: [] });
    for (const other of [get(2, "b", 49, 4, 5), get(2, "b", 50, 4, 5)])
      expect(checkUpdateTimes(history([put(1, "a", 0, 1), get(1, "a", 50, 2, 3), other])).violations).toEqual(
        [expect.stringContaining("w2.0 was shown b of x")],
      );
    expect(checkUpdateTimes(history([get(1, "a", 50, 2, 3), get(1, "a", 51, 2, 3)])).violations).toEqual([
      "a of x was updated at 50 and at 51",
    ]);
  });

  test("a value that is seen after its time is found, and one that may be in time is not", () => {
    const set: WorkerEvent = { at: 100, event: "fading-set", key: "k", value: "v", ttlMs: 60 };
    const seen = (calledAt: number, value: string | null = "v"): WorkerEvent => ({
      ...{ at: calledAt + 1, event: "fading-seen", key: "k", value, calledAt },
    });
    expect(checkFading(history([[set], [seen(161), seen(170, null)]]))).toEqual({
      examined: 1,
      violations: [],
    });
    expect(checkFading(history([[set], [seen(170)]])).violations).toHaveLength(1);
  });
});

function transfer(id: string, amount: number, from: number, to: number | string): WorkerEvent[] {
  const called = { at: from, event: "transfer-called", id, from: "ann", to: "bob", amount } as const;
  if (typeof to === "string") return [called, { at: from, event: "transfer-failed", id, code: to }];
  return [called, { at: to, event: "transferred", id }];
}

function accounts(some: Readonly<Record<string, Partial<Account>>>): Readonly<Record<string, Account>> {
  const empty = { balance: bank.each, moves: [], fences: [] };
  return Object.fromEntries(bank.accounts.map((name) => [name, { ...empty, ...some[name] }]));
}

const moved = (ann: readonly string[], bob: readonly string[]) =>
  accounts({
    ann: { balance: bank.each - 5 * ann.length, moves: ann },
    bob: { balance: bank.each + 5 * bob.length, moves: bob },
  });

describe("transfers", () => {
  const check = (log: readonly WorkerEvent[], finalAccounts: History["finalAccounts"] & object) =>
    checkTransfers(history([log], { finalAccounts }));

  test("one that is lost, done twice, done by half, or done though refused is found", () => {
    const done = transfer("t", 5, 0, 1);
    expect(check(done, moved(["t"], ["t"]))).toEqual({ examined: 1, violations: [] });
    for (const wrong of [moved([], []), moved(["t", "t"], ["t", "t"]), moved(["t"], [])])
      expect(check(done, wrong).violations).toHaveLength(1);
    expect(check(transfer("t", 5, 0, "UNAVAILABLE"), moved(["t"], ["t"])).violations).toHaveLength(1);
    expect(check([], moved(["t"], [])).violations).toHaveLength(1);
    expect(check(done, accounts({ ann: { moves: ["t"] }, bob: { moves: ["t"] } })).violations).toHaveLength(
      2,
    );
  });

  test("one in doubt is done once, or not at all", () => {
    const doubtful = transfer("t", 5, 0, "OUTCOME_UNKNOWN");
    for (const right of [moved(["t"], ["t"]), moved([], [])])
      expect(check(doubtful, right).violations).toEqual([]);
    for (const wrong of [moved(["t"], []), moved(["t", "t"], ["t", "t"])])
      expect(check(doubtful, wrong).violations).toHaveLength(1);
  });

  const audit = (
    last: readonly (string | null)[],
    from: number,
    to: number,
    isDecided = true,
  ): WorkerEvent => ({
    ...{ at: to, event: "audited", calledAt: from, isDecided, totals: [bank.each * bank.accounts.length] },
    last: [...last, ...Array.from({ length: bank.accounts.length - last.length }, () => null)],
  });

  test("a total that is not that of the beginning is found, in whatever run", () => {
    const right = audit([], 0, 1);
    expect(checkTotals(history([[right]]))).toEqual({ examined: 1, violations: [] });
    const wrong = { ...right, totals: [7, bank.each * bank.accounts.length] } as WorkerEvent;
    expect(checkTotals(history([[wrong]])).violations).toHaveLength(1);
    // Where reads may be old, a run that was not committed may see anything.
    expect(checkTotals(history([[wrong]], { areReadsOld: true })).violations).toEqual([]);
  });

  test("accounts that saw two transfers in different orders, and audits in between, are found", () => {
    const log = [...transfer("s", 5, 0, 10), ...transfer("t", 5, 0, 10)];
    const order = (events: readonly WorkerEvent[], ann: readonly string[], bob: readonly string[]) =>
      checkOneOrder(history([[...log, ...events]], { finalAccounts: moved(ann, bob) })).violations;
    expect(order([], ["s", "t"], ["s", "t"])).toEqual([]);
    expect(order([], ["s", "t"], ["t", "s"])).toEqual(["no order explains s, t"]);
    expect(order([audit(["s", "s"], 0, 20)], ["s", "t"], ["s", "t"])).toEqual([]);
    // It saw one half of the second one.
    expect(order([audit(["s", "t"], 0, 20)], ["s", "t"], ["s", "t"])).toHaveLength(1);
    expect(order([audit(["u", "s"], 0, 20)], ["s", "t"], ["s", "t"])).toHaveLength(1);
    // Both had been acknowledged before it asked.
    expect(order([audit(["s", "s"], 11, 20)], ["s", "t"], ["s", "t"])).toHaveLength(1);
    expect(order([audit(["t", "t"], 11, 20)], ["s", "t"], ["s", "t"])).toEqual([]);
  });

  test("an order against that of the answers is found", () => {
    const log = [...transfer("s", 5, 0, 1), ...transfer("t", 5, 2, 3)];
    const order = (ids: readonly string[]) =>
      checkOneOrder(history([log], { finalAccounts: moved(ids, ids) })).violations;
    expect(order(["s", "t"])).toEqual([]);
    expect(order(["t", "s"])).toHaveLength(1);
  });

  test("what was committed after the lock had gone to another is found", () => {
    const fences = (all: readonly number[]) =>
      checkGuards(history([], { finalAccounts: accounts({ vault: { fences: all } }) }));
    expect(fences([3, 3, 8])).toEqual({ examined: 3, violations: [] });
    expect(fences([3, 8, 3]).violations).toHaveLength(1);
  });
});

describe("payments", () => {
  const name = "payment-1";
  const began = (call: number, fence: number, at: number): WorkerEvent => ({
    ...{ at, event: "charging", call, name, fence },
  });
  const made = (call: number, receipt: string, at: number): WorkerEvent => ({
    ...{ at, event: "charged", call, receipt },
  });
  const paid = (call: number, receipt: string, at: number): WorkerEvent => ({
    ...{ at, event: "paid", call, name, receipt },
  });
  const alive: WorkerEvent = { at: 91, event: "renewed", sentAt: 90 };
  const first = [alive, began(1, 1, 100), made(1, "r", 110), paid(1, "r", 120)];

  test("two results of one payment, and one that nobody came to, are found", () => {
    expect(checkOneResult(history([first, [paid(1, "r", 130)]]))).toEqual({ examined: 1, violations: [] });
    const other = [began(1, 2, 130), made(1, "s", 140), paid(1, "s", 150)];
    expect(checkOneResult(history([first, other])).violations).toEqual([`${name} has several results: r, s`]);
    expect(checkOneResult(history([[paid(1, "r", 130)]])).violations).toHaveLength(1);
  });

  test("work that begins again without a reason is found", () => {
    expect(checkRepeats(history([first, [began(1, 2, 130)]])).violations).toHaveLength(1);
    // Until its lease was over; one that was killed later was alive.
    const late = history([first, [began(1, 2, 1_000)]]);
    expect(checkRepeats(late).violations).toHaveLength(1);
    const workers = late.workers.map((log) => ({ ...log, killedAt: 1_200 }));
    expect(checkRepeats({ ...late, workers }).violations).toHaveLength(1);
  });

  test("work begins again where it threw, was killed, or lost its lease before", () => {
    const thrown: WorkerEvent = { at: 110, event: "declined", call: 1, receipt: "r" };
    const lost: WorkerEvent = { at: 125, event: "lost", call: 1 };
    const failed: WorkerEvent = { at: 125, event: "pay-failed", call: 1, code: "LEASE_LOST" };
    for (const reason of [thrown, lost, failed]) {
      const logs = [[alive, began(1, 1, 100), reason], [began(1, 2, 130)]];
      expect(checkRepeats(history(logs))).toEqual({ examined: 2, violations: [] });
    }
    expect(checkRepeats(history([first, [began(1, 2, 1_091)]])).violations).toEqual([]);
    const { workers, ...rest } = history([first, [began(1, 2, 130)]]);
    const killed = workers.map((log, place) => (place === 0 ? { ...log, killedAt: 121 } : log));
    expect(checkRepeats({ ...rest, workers: killed }).violations).toEqual([]);
  });
});
