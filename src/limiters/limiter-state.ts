import { CorruptRecordError, UnsupportedError } from "../core/errors.ts";
import { decodeJson, encodeJson } from "../core/json.ts";
import { addStamp, hasStamp, isStamps, type Stamps } from "../records/record-rules.ts";
import type { Algorithm, Used } from "./algorithms/algorithm.ts";
import { algorithmOf } from "./algorithms/algorithm-of.ts";
import type { CalendarUnit } from "./calendar.ts";
import type { ResolvedPolicy } from "./policy.ts";

/** Tokens that are out, and when they count as spent, at the latest. */
export type Lease = readonly [expiresAtMs: number, tokens: number];

/** All that is known of one key of a limiter. */
export interface LimiterState {
  /** What the store's clock stood at, at least, when this was written. Never goes back. */
  readonly atMs: number;
  /** What it may have stood at. Not in the record: for whoever reads it, the time goes on. */
  readonly latestMs: number;
  /** Until when everything is denied; 0: not at all. */
  readonly blockedUntilMs: number;
  /** What is used of each policy, in the order of the limiter's. */
  readonly used: readonly Used[];
  /** What is out, by when it ends, earliest first. Charged in `used` already. */
  readonly leases: readonly Lease[];
  readonly stamps: Stamps;
}

/** A policy with its algorithm. */
export interface Rule {
  readonly policy: ResolvedPolicy;
  readonly algorithm: Algorithm;
}

/** The form of the records that this version writes. */
const version = 1;
/** How long a record outlives the moment at which nothing in it counts any more. */
const idleTtlMs = 600_000;

type PolicyEntry = readonly [
  name: string,
  algorithm: ResolvedPolicy["algorithm"],
  limit: number,
  burst: number,
  windowMs: number,
  per: CalendarUnit | 0,
  timeZone: string | 0,
  ...used: Used,
];

/** How many members of a {@link PolicyEntry} say what the policy is. */
const policyMembers = 7;

/** Nothing used. */
export function emptyState(rules: readonly Rule[]): LimiterState {
  return { atMs: 0, latestMs: 0, blockedUntilMs: 0, used: rules.map(() => []), leases: [], stamps: [] };
}

/** Tokens that are out. */
export function tokensOut(leases: readonly Lease[]): number {
  let out = 0;
  for (const [, tokens] of leases) out += tokens;
  return out;
}

/** The bytes of a record. */
export function encodeState(rules: readonly Rule[], state: LimiterState): Uint8Array {
  return encodeJson({
    v: version,
    t: state.atMs,
    b: state.blockedUntilMs,
    p: rules.map(({ policy }, index) => [...describePolicy(policy), ...(state.used[index] as Used)]),
    l: state.leases,
    w: state.stamps,
  });
}

/**
 * The state in the bytes of a record, seen with these rules: a policy that stands in the record under the same name with
 * other numbers has as much used as it had, as of the last write; one that does not stand there has nothing used; what
 * else stands there is forgotten.
 *
 * @throws CorruptRecordError for what is not the record of a limiter.
 * @throws UnsupportedError for the record of a later version.
 */
export function decodeState(rules: readonly Rule[], key: string, value: Uint8Array | null): LimiterState {
  if (value === null) return emptyState(rules);
  const record = decodeJson(key, value) as Partial<Record<"v" | "t" | "b" | "p" | "l" | "w", unknown>> | null;
  if (typeof record?.v === "number" && record.v > version) {
    throw new UnsupportedError(
      `the record under key ${key} has form ${record.v}, and this version of leasehold reads forms up to ${version}: ` +
        "update leasehold here, or use another name",
    );
  }
  const { t, b, p, l, w } = record ?? {};
  const isWhole = isCount(t) && isCount(b) && isEntries(p) && isLeases(l) && isStamps(w);
  if (!isWhole || record?.v !== version) {
    throw new CorruptRecordError(
      `the record under key ${key} is not one of a rate limiter. Something else wrote to this key: use another name, or ` +
        "delete the record",
    );
  }
  const used = rules.map((rule, index) => usedIn(p, rule, index, t, l));
  return { atMs: t, latestMs: t, blockedUntilMs: b, used, leases: l, stamps: w };
}

/** After how long nothing in the record counts any more. */
export function stateTtlMs(rules: readonly Rule[], state: LimiterState): number {
  const now = { earliestMs: state.atMs, latestMs: state.atMs };
  const waits = rules.map(
    ({ algorithm, policy }, index) =>
      algorithm.waitMs(state.used[index] as Used, policy.burst, now) ?? policy.windowMs,
  );
  const ends = [state.blockedUntilMs, ...state.leases.map(([expiresAtMs]) => expiresAtMs)];
  return idleTtlMs + Math.max(...waits, ...ends.map((ms) => ms - state.atMs));
}

/** Puts the mark of a write into the state. */
export function stampState(state: LimiterState, writer: string, sequence: number): LimiterState {
  return { ...state, stamps: addStamp(state.stamps, writer, sequence) };
}

/** Whether the newest write of this writer is this one. */
export function isStateStamped(state: LimiterState, writer: string, sequence: number): boolean {
  return hasStamp(state.stamps, writer, sequence);
}

function describePolicy(policy: ResolvedPolicy): PolicyEntry {
  const { name, algorithm, limit, burst, windowMs, per = 0, timeZone = 0 } = policy;
  return [name, algorithm, limit, burst, windowMs, per, timeZone];
}

function usedIn(
  entries: readonly PolicyEntry[],
  { policy, algorithm }: Rule,
  index: number,
  atMs: number,
  leases: readonly Lease[],
): Used {
  const isSame = (entry: PolicyEntry | undefined): boolean =>
    entry !== undefined && describePolicy(policy).every((member, at) => member === entry[at]);
  const inPlace = entries[index];
  const entry = isSame(inPlace) ? inPlace : entries.find(([name]) => name === policy.name);
  if (entry === undefined) return [];
  const used = entry.slice(policyMembers) as unknown as Used;
  if (isSame(entry)) return used;
  const [name, was, limit, burst, windowMs, per, timeZone] = entry;
  const earlier: ResolvedPolicy = {
    ...{ name, algorithm: was, limit, burst, windowMs },
    ...{ per: per === 0 ? undefined : per, timeZone: timeZone === 0 ? undefined : timeZone },
  };
  const now = { earliestMs: atMs, latestMs: atMs };
  const before = algorithmOf(earlier);
  const out = tokensOut(leases);
  const tokens = burst - before.remaining(before.advance(used, now, out), now);
  return tokens > 0 ? algorithm.charge([], tokens, now, atMs) : [];
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isLeases(value: unknown): value is readonly Lease[] {
  return Array.isArray(value) && value.every((lease) => Array.isArray(lease) && lease.every(isCount));
}

function isEntries(value: unknown): value is readonly PolicyEntry[] {
  return Array.isArray(value) && value.every(isEntry);
}

const names: readonly unknown[] = ["token-bucket", "fixed-window", "sliding-window", "calendar-window"];

function isEntry(value: unknown): value is PolicyEntry {
  if (!Array.isArray(value) || typeof value[0] !== "string" || !names.includes(value[1])) return false;
  const [limit, burst, windowMs, per, timeZone, ...used] = value.slice(2) as unknown[];
  const isText = (member: unknown): boolean => member === 0 || typeof member === "string";
  const isPolicy = isCount(limit) && isCount(burst) && isCount(windowMs) && isText(per) && isText(timeZone);
  if (!isPolicy || !used.every((number) => Number.isSafeInteger(number))) return false;
  return used.length === 0 || used.length % (value[1] === "calendar-window" ? 3 : 2) === 0;
}
