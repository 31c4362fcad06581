import { type CounterOperation, counterModel } from "../../../src/testing/linearizability/counter-model.ts";
import {
  type FencedLockOperation,
  fencedLockModel,
} from "../../../src/testing/linearizability/fenced-lock-model.ts";
import {
  checkLinearizability,
  type HistoryEntry,
  type SequentialModel,
} from "../../../src/testing/linearizability.ts";
import type { History, HistoryEvent } from "../history.ts";
import { type Checker, exclusiveUntilMs, firstDisasterMs, ownersOf, rosterSteps } from "./checker.ts";
import { lastBeats } from "./heartbeats.ts";
import { Takings } from "./takings.ts";

const unknown = Number.POSITIVE_INFINITY;

type Entries<Operation> = Map<string, HistoryEntry<Operation>[]>;

/** What callers saw of a lock is explained by one lock with fences, whose leases expire no earlier than promised. */
export const locksAreLinearizable: Checker = {
  name: "locks are linearizable",
  check(history) {
    if (exclusiveUntilMs(history) < Number.POSITIVE_INFINITY) return [];
    return explain(fencedLockModel(), lockEntries(history));
  },
};

/** What callers saw of a counter is explained by one counter to which each add was applied at one instant. */
export const countersAreLinearizable: Checker = {
  name: "counters are linearizable",
  check(history) {
    if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
    return explain(counterModel(), counterEntries(history));
  },
};

/** Running out of steps is a failure too: nothing is known then. */
function explain<State, Operation>(
  model: SequentialModel<State, Operation>,
  names: Entries<Operation>,
): readonly string[] {
  return [...names].flatMap(([name, entries]) => {
    const found = checkLinearizability(model, entries);
    if (found.verdict === "linearizable") return [];
    if (found.verdict === "exhausted") return [`${name}: the search gave up after ${found.steps} steps`];
    const { blocked, state } = found;
    return [
      `${name}: no order explains ${JSON.stringify(blocked)}; the state before is ${JSON.stringify(state)}`,
    ];
  });
}

/** Where a time stands in the order of events: two at the same time happened one after the other all the same. */
function positionOf(events: readonly HistoryEvent[], atMs: number): number {
  const position = events.findIndex((event) => event.atMs >= atMs);
  return position < 0 ? events.length : position;
}

function lockEntries(history: History): Entries<FencedLockOperation> {
  const entries: Entries<FencedLockOperation> = new Map();
  const add = (name: string, operation: FencedLockOperation, calledAt: number, returnedAt: number): void => {
    const list = entries.get(name) ?? [];
    list.push({ operation, calledAt, returnedAt });
    entries.set(name, list);
  };
  const asked = new Map<
    number,
    { readonly at: number; readonly name: string; readonly how: "acquire" | "try" }
  >();
  /** Releases that have no answer yet. */
  const releasing = new Map<
    number,
    { readonly name: string; readonly at: number; readonly wasLost: boolean }
  >();
  const released = new Set<number>();
  const lost = new Set<number>();
  const expiries = expiriesOf(history);
  // A term is held like a lock, and has its fence.
  const isLock = (name: string): boolean => history.plan.uses.get(name)?.capacity === 1;
  for (const [at, event] of history.events.entries()) {
    if (event.what === "asked" && isLock(event.name)) {
      asked.set(event.call, { at, name: event.name, how: event.how === "try" ? "try" : "acquire" });
    }
    if ("name" in event && !isLock(event.name)) continue;
    // Whoever closes its coordinator releases with it.
    const isReleasing = event.what === "releasing" || (event.what === "lost" && event.reason === "CLOSED");
    if (isReleasing && !released.has(event.call)) {
      const { call, name } = event;
      released.add(call);
      releasing.set(call, { name, at, wasLost: lost.has(call) });
    }
    if (event.what === "granted") {
      const { call, name, fence } = event;
      const { how, at: calledAt } = asked.get(call) ?? { how: "acquire", at };
      asked.delete(call);
      add(name, { kind: how, grant: `${call}`, fence }, calledAt, at);
      const expiresAtMs = expiries.get(call);
      if (expiresAtMs !== undefined) {
        add(name, { kind: "expire", grant: `${call}` }, positionOf(history.events, expiresAtMs), unknown);
      }
    }
    if (event.what === "not granted" && event.code === "NONE") asked.delete(event.call);
    if (event.what === "lost" && event.reason === "LEASE_LOST") lost.add(event.call);
    if (event.what === "released" && releasing.has(event.call)) {
      const { call, name, code } = event;
      const { at: calledAt, wasLost } = releasing.get(call) ?? { at, wasLost: false };
      releasing.delete(call);
      // A lease that ended while its release was on its way may have been released before.
      const result = code === "OK" ? "released" : wasLost ? "lost" : undefined;
      const returnedAt = result === undefined ? unknown : at;
      add(name, { kind: "release", grant: `${call}`, result }, calledAt, returnedAt);
    }
  }
  for (const [call, { name, at }] of releasing) {
    add(name, { kind: "release", grant: `${call}`, result: undefined }, at, unknown);
  }
  // Given up, failed, or cut off by a crash: it may have been granted for a moment, to nobody.
  for (const [call, { name, how, at }] of asked) {
    add(name, { kind: how, grant: `${call}`, fence: undefined }, at, unknown);
    add(name, { kind: "release", grant: `${call}`, result: undefined }, at, unknown);
  }
  return entries;
}

/** The earliest instant at which the lease of each grant that was not given back may have ended. */
function expiriesOf(history: History): ReadonlyMap<number, number> {
  const sessions = new Map<string, string>();
  for (const { name, after } of rosterSteps(history.events)) {
    for (const { fence, session } of after.holders) sessions.set(`${name}/${fence}`, session);
  }
  const open = new Map<number, string>();
  const expiries = new Map<number, number>();
  const beats = lastBeats(history);
  const takenAtMs = new Map<string, number>();
  const takings = new Takings(history);
  const buried = buriedByLaterLives(history);
  for (const event of history.events) {
    for (const { name, holder, atMs } of takings.see(event)) takenAtMs.set(`${name}/${holder.fence}`, atMs);
    if (event.what === "granted") open.set(event.call, `${event.name}/${event.fence}`);
    if (event.what === "released" && event.code === "OK") open.delete(event.call);
    const tellsLoss =
      (event.what === "lost" && event.reason === "LEASE_LOST") ||
      (event.what === "released" && event.code === "LEASE_LOST");
    if (tellsLoss && !expiries.has(event.call)) expiries.set(event.call, event.atMs);
  }
  for (const [call, grant] of open) {
    const session = sessions.get(grant) ?? "";
    const deadlineMs = Math.min(beats.get(session)?.deadlineMs ?? 0, buried.get(session) ?? unknown);
    const endMs = Math.min(deadlineMs, takenAtMs.get(grant) ?? unknown);
    expiries.set(call, Math.min(expiries.get(call) ?? unknown, endMs));
  }
  return expiries;
}

/** When each session was declared dead by a process that came after its own on the same machine. */
function buriedByLaterLives(history: History): ReadonlyMap<string, number> {
  const owners = ownersOf(history);
  const buried = new Map<string, number>();
  for (const event of history.events) {
    if (event.what !== "store") continue;
    for (const { after } of event.changes) {
      if (after?.kind !== "session" || after.record.state !== "dead" || buried.has(after.session)) continue;
      const owner = owners.get(after.session);
      const isLaterLife = owner !== event.by && owner?.split(".")[0] === event.by.split(".")[0];
      if (isLaterLife) buried.set(after.session, event.atMs);
    }
  }
  return buried;
}

function counterEntries(history: History): Entries<CounterOperation> {
  const entries: Entries<CounterOperation> = new Map();
  const asked = new Map<number, { readonly at: number; readonly name: string; readonly delta: number }>();
  const add = (call: number, sum: number | undefined, returnedAt: number): void => {
    const { name, delta, at } = asked.get(call) ?? { name: "", delta: 0, at: 0 };
    asked.delete(call);
    const list = entries.get(name) ?? [];
    list.push({ operation: { kind: "add", delta, sum }, calledAt: at, returnedAt });
    entries.set(name, list);
  };
  for (const [at, event] of history.events.entries()) {
    if (event.what === "add asked") asked.set(event.call, { at, name: event.name, delta: event.delta });
    if (event.what === "added") add(event.call, event.sum, at);
    if (event.what === "add doubtful" && event.code !== "OUTCOME_UNKNOWN") asked.delete(event.call);
  }
  for (const call of [...asked.keys()]) add(call, undefined, unknown);
  return entries;
}
