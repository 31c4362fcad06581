import type { Capabilities, Operation, StoreTime, Version } from "../core/backend.ts";
import { LimitExceededError, UnsupportedError } from "../core/errors.ts";
import type { Stamps } from "../core/stamps.ts";
import { type EntryRecord, encodeEntry, type StoredValue } from "../kv/entry-record.ts";
import { type FoundEntry, recordAfter, recordTtlMs, visibleAt } from "../kv/entry-rules.ts";
import type { PendingChange, Run } from "./run.ts";
import type { Sightings } from "./sightings.ts";

/** What a plan is made of. Everything that it needs has been seen. */
export interface PlanContext {
  readonly run: Run;
  readonly sightings: Sightings;
  /** The values that are written, by the keys of their records. */
  readonly values: ReadonlyMap<string, StoredValue | undefined>;
  /** The keys of the records that show the grants which guard it. */
  readonly guards: readonly string[];
  /** Whether what is deleted and not there is made sure of. */
  readonly isChecked: boolean;
  readonly kind: string;
  readonly capabilities: Capabilities;
}

/** A record in whose place another one comes. */
export interface Replaced {
  /** When it was written: what is written later is younger. */
  readonly atMs: number;
  readonly stamps: Stamps;
}

/** What a run does to the store, under the condition that everything is as it was seen. */
export interface CommitPlan {
  readonly puts: readonly (Operation & { readonly kind: "put" })[];
  readonly checks: readonly (Operation & { readonly kind: "check" })[];
  /** What each put replaces, by key. */
  readonly replaced: ReadonlyMap<string, Replaced>;
}

/**
 * The operations of a run, with the mark that `stamp` puts into each record.
 *
 * @throws LimitExceededError for a value that is too large.
 */
export function planCommit(
  context: PlanContext,
  now: StoreTime,
  stamp: (stamps: Stamps) => Stamps,
): CommitPlan {
  const { run, sightings, guards, isChecked } = context;
  const puts: (Operation & { readonly kind: "put" })[] = [];
  const replaced = new Map<string, Replaced>();
  const checked = new Set([...run.used.keys(), ...guards]);
  // Of what was read as it was then: a read that nobody awaited may have shown something newer since.
  const versionOf = (key: string): Version | null => {
    const used = run.used.get(key);
    return used === undefined ? (sightings.get(key)?.record?.version ?? null) : used.version;
  };
  for (const [key, change] of run.pending) {
    const found = run.used.get(key) ?? seenNow(run, key, now);
    const record = nextRecord(context, key, change, found, now);
    if (record === undefined) {
      if (isChecked) checked.add(key);
      continue;
    }
    checked.delete(key);
    const before = found.state.record;
    replaced.set(key, { atMs: before?.newest.updatedAtMs ?? 0, stamps: before?.stamps ?? [] });
    const ttlMs = recordTtlMs(record);
    puts.push({
      ...{ kind: "put", key, value: encodeEntry({ ...record, stamps: stamp(record.stamps) }) },
      expect: versionOf(key),
      ...(ttlMs !== undefined && { ttlMs }),
    });
  }
  const checks = [...checked].map((key) => ({ kind: "check", key, expect: versionOf(key) }) as const);
  return { puts, checks, replaced };
}

function seenNow(run: Run, key: string, now: StoreTime): FoundEntry {
  const record = run.record(key);
  return { state: { record }, visible: visibleAt(record, now) };
}

/** `undefined`: there is nothing to delete. */
function nextRecord(
  { values, kind, capabilities: { valueBytesMax } }: PlanContext,
  recordKey: string,
  { key, life, pastMax, mark }: PendingChange,
  found: FoundEntry,
  now: StoreTime,
): EntryRecord | undefined {
  const value = values.get(recordKey);
  const how = { now, mark: mark(), pastMax, kind, valueBytesMax };
  if (value !== undefined) {
    const put = { kind: "put", value, ...(life !== undefined && { life }) } as const;
    return recordAfter(key, found, put, how);
  }
  return found.visible === undefined ? undefined : recordAfter(key, found, { kind: "delete" }, how);
}

/**
 * Refuses what the store commits in no way, before anything is sent.
 *
 * @throws UnsupportedError where it commits one key at a time, or no writes alongside; LimitExceededError for too many keys.
 */
export function checkPlan(
  { kind, capabilities }: PlanContext,
  { puts, checks }: CommitPlan,
  alongside: number,
): void {
  const { commitOperationsMax: limit, alongside: takesThem } = capabilities;
  const size = puts.length + checks.length + alongside;
  if (alongside > 0 && takesThem !== true) {
    throw new UnsupportedError(
      `the ${kind} backend commits no writes of your own together with a transaction; nothing was sent. Leave out tx.alongside`,
    );
  }
  if (size <= Math.max(1, limit)) return;
  const what =
    `${puts.length} keys that it writes, ${checks.length} that must stay as they are (read, or guarding it)` +
    (alongside > 0 ? `, and ${alongside} writes alongside` : "");
  if (limit <= 1) {
    throw new UnsupportedError(
      `this ${kind} store commits one key at a time, and the transaction has ${what}; nothing was sent. Keep what belongs ` +
        'together in one value, read with the isolation "read-committed" what need not be checked, or use a store that ' +
        "commits several keys (docs/transactions.md)",
    );
  }
  throw new LimitExceededError(
    `the ${kind} backend commits at most ${limit} keys at once, and the transaction has ${what}: ${size} together; nothing ` +
      "was sent. Split it, or keep what belongs together in fewer values",
    { limit, size },
  );
}
