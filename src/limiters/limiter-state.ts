import { CorruptRecordError, UnsupportedError } from "../core/errors.ts";
import { decodeJson, encodeJson } from "../core/json.ts";
import { addStamp, isStamps, type Stamp, type Stamps } from "../core/stamps.ts";
import type { Algorithm, Bounds, Used } from "./algorithms/algorithm.ts";
import { algorithmOf } from "./algorithms/algorithm-of.ts";
import { type CalendarUnit, unitMaxMs } from "./calendar.ts";
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
  /** What is used of policies that other processes have and this one has not. */
  readonly others: readonly PolicyEntry[];
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
/** After ten years a debt is forgotten; stores count times to live in numbers that end. */
const ttlMaxMs = 3_650 * 86_400_000;
/** Policies of other processes that are kept. */
const othersMax = 8;

/** A policy and what is used of it, as it stands in a record. */
export type PolicyEntry = readonly [
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
  const used = rules.map(() => []);
  return { atMs: 0, latestMs: 0, blockedUntilMs: 0, used, leases: [], others: [], stamps: [] };
}

/** Tokens that are out. */
export function tokensOut(leases: readonly Lease[]): number {
  let out = 0;
  for (const [, tokens] of leases) out += tokens;
  return out;
}

/** The bytes of a record. */
export function encodeState(rules: readonly Rule[], state: LimiterState): Uint8Array {
  const own = rules.map(({ policy }, index) => [...describePolicy(policy), ...(state.used[index] as Used)]);
  const others = state.others.filter((entry) => isInUse(entry, state.atMs)).slice(-othersMax);
  return encodeJson({
    v: version,
    t: state.atMs,
    b: state.blockedUntilMs,
    p: [...own, ...others],
    l: state.leases,
    w: state.stamps,
  });
}

/**
 * The state in the bytes of a record, seen with these rules: a policy that stands in the record under the same name with
 * other numbers has as much used as it had, as of the last write; one that does not stand there has nothing used but what
 * is out; what else stands there is kept for those who have it, as long as it counts.
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
  if (!isWhole || record?.v !== version) throw corrupt(key);
  try {
    const used = rules.map((rule, index) => usedIn(p, rule, index, t, l));
    const others = p.filter(
      (entry, index) => rules[index]?.policy.name !== entry[0] && isForeign(rules, entry),
    );
    return { atMs: t, latestMs: t, blockedUntilMs: b, used, leases: l, others, stamps: w };
  } catch (error) {
    // A time zone that there is not.
    throw error instanceof RangeError ? corrupt(key, error) : error;
  }
}

function corrupt(key: string, cause?: unknown): CorruptRecordError {
  const message =
    `the record under key ${key} is not one of a rate limiter. Something else wrote to this key: use another name, or ` +
    "delete the record";
  return new CorruptRecordError(message, { cause });
}

function isForeign(rules: readonly Rule[], [name]: PolicyEntry): boolean {
  return !rules.some(({ policy }) => policy.name === name);
}

/** After how long nothing in the record counts any more. */
export function stateTtlMs(rules: readonly Rule[], state: LimiterState): number {
  const now = { earliestMs: state.atMs, latestMs: state.atMs };
  const waits = rules.map(
    ({ algorithm, policy }, index) =>
      algorithm.waitMs(state.used[index] as Used, policy.burst, now) ?? policy.windowMs,
  );
  const ends = [state.blockedUntilMs, ...state.leases.map(([expiresAtMs]) => expiresAtMs)];
  const windows = state.others.map(([, , , , windowMs]) => 2 * windowMs);
  const countsMs = Math.max(...waits, ...windows, ...ends.map((ms) => ms - state.atMs));
  return Math.min(ttlMaxMs, idleTtlMs + countsMs);
}

/** Puts the mark of a write into the state. */
export function stampState(state: LimiterState, write: Stamp): LimiterState {
  return { ...state, stamps: addStamp(state.stamps, write) };
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
  const now = { earliestMs: atMs, latestMs: atMs };
  if (entry === undefined) return chargeLeases(algorithm, leases, now);
  const used = usedOf(entry);
  if (isSame(entry)) return used;
  const before = algorithmOf(policyOf(entry));
  const tokens = entry[3] - before.remaining(before.advance(used, now, tokensOut(leases)), now);
  return tokens > 0 ? algorithm.charge([], tokens, now, atMs) : [];
}

/** What is used when nothing is but what is out. */
export function chargeLeases(algorithm: Algorithm, leases: readonly Lease[], now: Bounds): Used {
  let used: Used = [];
  for (const [expiresAtMs, tokens] of leases) used = algorithm.charge(used, tokens, now, expiresAtMs);
  return used;
}

function usedOf(entry: PolicyEntry): Used {
  return entry.slice(policyMembers) as unknown as Used;
}

function policyOf([name, algorithm, limit, burst, windowMs, per, timeZone]: PolicyEntry): ResolvedPolicy {
  const calendar = { per: per === 0 ? undefined : per, timeZone: timeZone === 0 ? undefined : timeZone };
  return { name, algorithm, limit, burst, windowMs, ...calendar };
}

function isInUse(entry: PolicyEntry, atMs: number): boolean {
  return (
    algorithmOf(policyOf(entry)).advance(usedOf(entry), { earliestMs: atMs, latestMs: atMs }, 0).length > 0
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isLeases(value: unknown): value is readonly Lease[] {
  const isLease = (lease: unknown): boolean =>
    Array.isArray(lease) && lease.length === 2 && lease.every(isCount);
  return Array.isArray(value) && value.every(isLease);
}

function isEntries(value: unknown): value is readonly PolicyEntry[] {
  return Array.isArray(value) && value.every(isEntry);
}

const names: readonly unknown[] = ["token-bucket", "fixed-window", "sliding-window", "calendar-window"];

function isEntry(value: unknown): value is PolicyEntry {
  if (!Array.isArray(value) || typeof value[0] !== "string" || !names.includes(value[1])) return false;
  const [limit, burst, windowMs, per, timeZone, ...used] = value.slice(2) as unknown[];
  const isPolicy = [limit, burst, windowMs].every((number) => isCount(number) && number > 0);
  const isZone = timeZone === 0 || typeof timeZone === "string";
  if (!isPolicy || !isZone || !(per === 0 || Object.hasOwn(unitMaxMs, String(per)))) return false;
  // Only a bucket has debts, and these are negative.
  const isNumber = value[1] === "token-bucket" ? Number.isSafeInteger : isCount;
  if (!used.every((number) => isNumber(number))) return false;
  return used.length === 0 || used.length % (value[1] === "calendar-window" ? 3 : 2) === 0;
}
