import {
  checkLinearizability,
  type HistoryEntry,
  type SequentialModel,
} from "../../../src/testing/linearizability.ts";
import type { Finding, History, WorkerLog } from "../history.ts";
import type { EntryCall, EntryTold } from "../storage-events.ts";

/** The clocks of a store and of this machine may run a little differently, and stores tell milliseconds. */
const driftTolerance = 0.001;
const grainMs = 2;

interface Asked {
  readonly worker: string;
  readonly key: string;
  readonly op: EntryCall;
  readonly calledAt: number;
  told?: EntryTold;
  toldAt?: number;
  /** The store, or the library, said that nothing was applied. */
  isRefused?: boolean;
}

/** An entry as it may be. A version that is left out was told to nobody. */
interface State {
  readonly value: number | null;
  readonly version?: string;
}

/**
 * What everybody was told of each entry is what one register would have told them, from its beginning to what stands there
 * at the end. A call without an answer was applied at any time, or never.
 */
export function checkEntries({ workers, areReadsOld }: History): Finding {
  const asked = workers.flatMap(askedIn);
  const violations: string[] = [];
  for (const [key, own] of Map.groupBy(asked, (one) => one.key)) {
    const entries = own.flatMap((one) => entryOf(one, areReadsOld === true));
    const result = checkLinearizability(model, entries);
    if (result.verdict === "linearizable") continue;
    if (result.verdict === "exhausted") {
      violations.push(`whether the history of ${key} is linearizable could not be decided`);
      continue;
    }
    const { operation, calledAt, returnedAt } = result.blocked;
    const { worker, op, told } = operation;
    violations.push(
      `nothing explains what ${worker} was told of ${key} from ${calledAt.toFixed(1)} to ${returnedAt.toFixed(1)}: ` +
        `${JSON.stringify(op)} was answered with ${JSON.stringify(told)}, after ${JSON.stringify(result.state)}`,
    );
  }
  return { examined: asked.filter(({ told }) => told !== undefined).length, violations };
}

/** The entry calls of a worker's log. */
function askedIn({ worker, events }: WorkerLog): Asked[] {
  const asked = new Map<number, Asked>();
  for (const event of events) {
    if (event.event === "entry-called") {
      const { key, op, at } = event;
      asked.set(event.call, { worker, key, op, calledAt: at });
    } else if (event.event === "entry-told") {
      Object.assign(asked.get(event.call) ?? {}, { told: event.told, toldAt: event.at });
    } else if (event.event === "entry-failed") {
      Object.assign(asked.get(event.call) ?? {}, { isRefused: event.code !== "OUTCOME_UNKNOWN" });
    }
  }
  return [...asked.values()];
}

/** As the search takes it; nothing for what cannot have changed anything, and for what an old leader may have told. */
function entryOf(asked: Asked, areReadsOld: boolean): HistoryEntry<Asked>[] {
  const { op, told, calledAt, toldAt = Number.POSITIVE_INFINITY, isRefused } = asked;
  if (isRefused === true || (told === undefined && op.kind === "get")) return [];
  if (areReadsOld && told !== undefined && ("state" in told || isNothingDeleted(told))) return [];
  return [{ operation: asked, calledAt, returnedAt: toldAt }];
}

/** Where there is nothing to delete, nothing is written. */
function isNothingDeleted(told: EntryTold): boolean {
  return "existed" in told && !told.existed;
}

const model: SequentialModel<State, Asked> = {
  initial: { value: null },
  step(state, { op, told }) {
    if (told !== undefined && "state" in told) return seen(state, op, told.state);
    const version = told !== undefined && "version" in told ? { version: told.version } : {};
    switch (op.kind) {
      case "put":
        return { value: op.value, ...version };
      case "create":
      case "swap":
        if (holds(state, op) === false) return told === undefined ? state : undefined;
        return { value: op.value, ...version };
      case "add": {
        const sum = (state.value ?? 0) + op.by;
        return told === undefined || ("sum" in told && told.sum === sum) ? { value: sum } : undefined;
      }
      case "delete":
        if (told !== undefined && "existed" in told && told.existed !== (state.value !== null))
          return undefined;
        return { value: null };
      case "get":
        return undefined;
    }
  },
  key: ({ value, version = "" }) => `${value} ${version}`,
};

/** A read, or a condition that does not hold: it shows what stands there. */
function seen(state: State, op: EntryCall, shown: State): State | undefined {
  if (state.value !== shown.value || holds(state, op) === true) return undefined;
  if (state.version !== undefined && state.version !== shown.version) return undefined;
  return shown.version === undefined
    ? { value: shown.value }
    : { value: shown.value, version: shown.version };
}

/** Whether a condition holds; undefined where there is none, or nobody can say. */
function holds({ value, version }: State, op: EntryCall): boolean | undefined {
  if (op.kind === "create") return value === null;
  if (op.kind !== "swap") return undefined;
  if (value === null) return false;
  return version === undefined ? undefined : version === op.expected;
}

interface Sight {
  readonly worker: string;
  readonly version: string;
  readonly updatedAt: number;
  readonly from: number;
  readonly to: number;
}

/** Of two states of an entry the later one was updated later, on the store's clock; and each bears one time only. */
export function checkUpdateTimes({ workers, areReadsOld }: History): Finding {
  const asked = workers.flatMap(askedIn);
  let examined = 0;
  const violations: string[] = [];
  for (const [key, own] of Map.groupBy(asked, (one) => one.key)) {
    const times = new Map<string, number>();
    for (const { version, updatedAt } of own.flatMap((one) => shownIn(one))) {
      const other = times.get(version);
      times.set(version, updatedAt);
      if (other !== undefined && other !== updatedAt)
        violations.push(`${version} of ${key} was updated at ${other} and at ${updatedAt}`);
    }
    const sights = own.flatMap((one) => [
      ...writtenIn(one, times),
      ...(areReadsOld === true ? [] : shownIn(one)),
    ]);
    examined += sights.length;
    violations.push(...timesThatFell(key, sights));
  }
  return { examined, violations };
}

function shownIn({ worker, told, calledAt, toldAt = calledAt }: Asked): Sight[] {
  if (told === undefined || !("state" in told)) return [];
  const { version, updatedAt } = told.state;
  if (version === undefined || updatedAt === undefined) return [];
  return [{ worker, version, updatedAt, from: calledAt, to: toldAt }];
}

/** A write whose time somebody saw later. */
function writtenIn(
  { worker, told, calledAt, toldAt = calledAt }: Asked,
  times: ReadonlyMap<string, number>,
): Sight[] {
  if (told === undefined || !("version" in told)) return [];
  const updatedAt = times.get(told.version);
  return updatedAt === undefined
    ? []
    : [{ worker, version: told.version, updatedAt, from: calledAt, to: toldAt }];
}

function timesThatFell(key: string, sights: readonly Sight[]): string[] {
  const byCall = sights.toSorted((a, b) => a.from - b.from);
  const byAnswer = sights.toSorted((a, b) => a.to - b.to);
  let next = 0;
  let highest: Sight | undefined;
  return byCall.flatMap((sight) => {
    for (let other = byAnswer[next]; other !== undefined && other.to < sight.from; other = byAnswer[next]) {
      if (highest === undefined || other.updatedAt > highest.updatedAt) highest = other;
      next += 1;
    }
    if (highest === undefined || sight.updatedAt > highest.updatedAt || sight.version === highest.version)
      return [];
    return [
      `${sight.worker} was shown ${sight.version} of ${key}, updated at ${sight.updatedAt}, when ${highest.worker} had been ` +
        `shown ${highest.version}, updated at ${highest.updatedAt}`,
    ];
  });
}

/**
 * No value is seen after its time. It began before the answer to its write came, so its time is over for sure that long
 * after the answer. What it examines are reads that came when the time of the newest value before was over.
 */
export function checkFading({ workers }: History): Finding {
  const written = new Map<string, { readonly endsAt: number }>();
  const ends: { readonly key: string; readonly endsAt: number }[] = [];
  for (const { events } of workers) {
    for (const event of events) {
      if (event.event !== "fading-set") continue;
      const endsAt = event.at + event.ttlMs * (1 + driftTolerance) + grainMs;
      written.set(event.value, { endsAt });
      ends.push({ key: event.key, endsAt });
    }
  }
  let examined = 0;
  const violations: string[] = [];
  for (const { worker, events } of workers) {
    for (const event of events) {
      if (event.event !== "fading-seen") continue;
      const { key, value, calledAt } = event;
      if (ends.some((end) => end.key === key && end.endsAt < calledAt)) examined += 1;
      const { endsAt = Number.POSITIVE_INFINITY } = (value === null ? undefined : written.get(value)) ?? {};
      if (calledAt > endsAt)
        violations.push(
          `${worker} asked for ${key} at ${calledAt.toFixed(1)} and saw ${value}, ` +
            `${(calledAt - endsAt).toFixed(1)} ms after its time`,
        );
    }
  }
  return { examined, violations };
}
