import type { Bounds, Used } from "./algorithms/algorithm.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { chargeLeases, type Lease, type LimiterState, type Rule, tokensOut } from "./limiter-state.ts";

/** What can be asked of one key of a limiter. */
export type LimiterCommand =
  | { readonly kind: "take" | "peek"; readonly cost: number }
  /** Charges more than there may be, or with a negative number gives back. */
  | { readonly kind: "charge"; readonly tokens: number }
  /** From what was leased, this much was spent and this much not. Then leases again: `atLeast`, or nothing. */
  | {
      readonly kind: "lease";
      readonly returned: readonly ReturnedTokens[];
      readonly atLeast: number;
      /** The most to take, at most half of what remains if `atLeast` is less. */
      readonly wanted: number;
      readonly ttlMs: number;
    }
  | { readonly kind: "block"; readonly durationMs: number }
  | { readonly kind: "reset" }
  | { readonly kind: "set"; readonly tokens: number };

/** What became of leased tokens. */
export interface ReturnedTokens {
  /** The end of the lease, as it stands in the record. */
  readonly expiresAtMs: number;
  readonly spent: number;
  readonly unspent: number;
}

/** What a command is told. */
export interface LimiterAnswer {
  readonly decision: Decision;
  /** How many tokens a lease brought. */
  readonly leased: number;
  /** When it ends on the store's clock; 0: they count as spent already. */
  readonly expiresAtMs: number;
}

/** Leases that stand in one record at most; ends of about the same time share one. */
const leasesMax = 32;

/**
 * What a command does to the state, as a pure function of the two and of what the time may be. A denial changes
 * nothing: the state is the very same object.
 */
export function applyCommand(
  rules: readonly Rule[],
  state: LimiterState,
  command: LimiterCommand,
  clock: Bounds,
): { readonly state: LimiterState; readonly answer: LimiterAnswer } {
  const current = asOf(rules, state, clock);
  const applied = applyNow(rules, current, command);
  return { state: applied.state === current ? state : applied.state, answer: applied.answer };
}

/**
 * A command that may have been applied before, as one that does no harm twice: to take tokens twice lets fewer through,
 * and to give them back twice would give somebody else's.
 */
export function harmlessTwice(command: LimiterCommand): LimiterCommand | undefined {
  // What others took in between would be had again.
  if (command.kind === "set" || command.kind === "reset") return undefined;
  if (command.kind === "charge") return { ...command, tokens: Math.max(0, command.tokens) };
  return command.kind === "lease" ? { ...command, returned: [] } : command;
}

/** As {@link applyCommand}, for a state that is as of now. */
export function applyNow(
  rules: readonly Rule[],
  current: LimiterState,
  command: LimiterCommand,
): { readonly state: LimiterState; readonly answer: LimiterAnswer } {
  const now = { earliestMs: current.atMs, latestMs: current.latestMs };
  const told = (next: LimiterState, cost: number, isAllowed: boolean) => {
    const decision = decide(rules, next, cost, now, isAllowed);
    return { state: next, answer: { decision, leased: 0, expiresAtMs: 0 } };
  };
  switch (command.kind) {
    case "peek":
      return told(current, command.cost, canTake(rules, current, command.cost, now));
    case "take": {
      const { cost } = command;
      const isAllowed = canTake(rules, current, cost, now);
      if (!isAllowed || cost === 0) return told(current, cost, isAllowed);
      return told(charge(rules, current, cost, now, now.latestMs), cost, true);
    }
    case "charge":
      return told(chargeOrGive(rules, current, command.tokens, now), 0, true);
    case "set": {
      return told(charge(rules, onlyOut(rules, current, now), command.tokens, now, now.latestMs), 0, true);
    }
    case "block":
      return told({ ...current, blockedUntilMs: now.latestMs + command.durationMs }, 0, true);
    case "reset":
      return told({ ...onlyOut(rules, current, now), others: [], blockedUntilMs: 0 }, 0, true);
    case "lease":
      return lease(rules, current, command, now);
  }
}

/** What the state comes to when nothing happens but time. */
function advanceState(rules: readonly Rule[], state: LimiterState, now: Bounds): LimiterState {
  const { others, stamps } = state;
  let { leases, used } = state;
  const pass = (bounds: Bounds): void => {
    const out = tokensOut(leases);
    used = rules.map(({ algorithm }, index) => algorithm.advance(used[index] as Used, bounds, out));
  };
  // What is out leaves no room to refill until the very end of its lease.
  for (let lease = leases[0]; lease !== undefined && lease[0] <= now.earliestMs; lease = leases[0]) {
    pass({ earliestMs: lease[0], latestMs: lease[0] });
    leases = leases.slice(1);
  }
  pass(now);
  const blockedUntilMs = state.blockedUntilMs > now.earliestMs ? state.blockedUntilMs : 0;
  return { atMs: now.earliestMs, latestMs: now.latestMs, blockedUntilMs, used, leases, others, stamps };
}

/** The state as of a time that is known within bounds. */
export function asOf(rules: readonly Rule[], state: LimiterState, clock: Bounds): LimiterState {
  return advanceState(rules, state, boundsFor(state, clock));
}

/** Whole milliseconds, and never before what the record has seen. */
function boundsFor(state: LimiterState, clock: Bounds): Bounds {
  const earliestMs = Math.max(state.atMs, Math.floor(clock.earliestMs));
  return { earliestMs, latestMs: Math.max(earliestMs, Math.ceil(clock.latestMs)) };
}

/** Whether every policy has this many left. `state` is as of now. */
function canTake(rules: readonly Rule[], state: LimiterState, cost: number, now: Bounds): boolean {
  if (state.blockedUntilMs > 0) return false;
  return rules.every(({ algorithm }, index) => algorithm.remaining(state.used[index] as Used, now) >= cost);
}

/** Nothing used but what is out: whoever holds it may still spend it. */
function onlyOut(rules: readonly Rule[], state: LimiterState, now: Bounds): LimiterState {
  return { ...state, used: rules.map(({ algorithm }) => chargeLeases(algorithm, state.leases, now)) };
}

function charge(
  rules: readonly Rule[],
  state: LimiterState,
  tokens: number,
  now: Bounds,
  spentByMs: number,
): LimiterState {
  const used = rules.map(({ algorithm }, index) =>
    algorithm.charge(state.used[index] as Used, tokens, now, spentByMs),
  );
  return { ...state, used };
}

function giveBack(
  rules: readonly Rule[],
  state: LimiterState,
  tokens: number,
  now: Bounds,
  spentByMs?: number,
): LimiterState {
  const used = rules.map(({ algorithm }, index) =>
    algorithm.giveBack(state.used[index] as Used, tokens, now, spentByMs),
  );
  // What came back may fill a bucket, and a full one takes nothing for the time that is uncertain.
  return advanceState(rules, { ...state, used }, now);
}

function chargeOrGive(
  rules: readonly Rule[],
  state: LimiterState,
  tokens: number,
  now: Bounds,
): LimiterState {
  if (tokens < 0) return giveBack(rules, state, -tokens, now);
  return charge(rules, state, tokens, now, now.latestMs);
}

function lease(
  rules: readonly Rule[],
  current: LimiterState,
  command: Extract<LimiterCommand, { kind: "lease" }>,
  now: Bounds,
): { readonly state: LimiterState; readonly answer: LimiterAnswer } {
  const { atLeast, wanted } = command;
  const settled = command.returned.reduce(
    (state, returned) => takeBack(rules, state, returned, now),
    current,
  );
  const expiresAtMs = leaseEnd(rules, settled, command.ttlMs, now);
  const tokens = leaseSize(rules, settled, atLeast, wanted, now);
  const answer = (next: LimiterState, leased: number, until: number) => ({
    state: next,
    answer: {
      decision: decide(rules, next, atLeast, now, leased > 0 || atLeast === 0),
      ...{ leased, expiresAtMs: until },
    },
  });
  if (tokens > 0 && expiresAtMs > now.latestMs && canHold(settled, expiresAtMs)) {
    const charged = charge(rules, settled, tokens, now, expiresAtMs);
    const leases = addLease(charged.leases, expiresAtMs, tokens);
    return answer({ ...charged, leases }, tokens, expiresAtMs);
  }
  if (tokens === 0 || atLeast === 0) return answer(settled, 0, 0);
  // At the very end of a window nothing can be kept: what is needed counts as spent.
  return answer(charge(rules, settled, atLeast, now, now.latestMs), atLeast, 0);
}

/** No more than half of what remains, shared with the leases that are out, unless that is less than what is needed. */
function leaseSize(
  rules: readonly Rule[],
  state: LimiterState,
  atLeast: number,
  wanted: number,
  now: Bounds,
): number {
  if (state.blockedUntilMs > 0) return 0;
  const left = Math.min(
    ...rules.map(({ algorithm }, index) => algorithm.remaining(state.used[index] as Used, now)),
  );
  const share = Math.ceil(left / (2 * (state.leases.length + 1)));
  const tokens = Math.max(atLeast, Math.min(wanted, share));
  return tokens <= left ? tokens : 0;
}

/** Rounded up, so that leases of about the same time share an end. Not past a window: its tokens end with it. */
function leaseEnd(rules: readonly Rule[], state: LimiterState, ttlMs: number, now: Bounds): number {
  const grainMs = Math.max(1, 2 ** Math.floor(Math.log2(ttlMs / 4)));
  const rounded = Math.ceil((now.latestMs + ttlMs) / grainMs) * grainMs;
  const windows = rules.map(({ algorithm }, index) =>
    algorithm.spendableUntilMs(state.used[index] as Used, now),
  );
  return Math.min(rounded, ...windows);
}

function canHold({ leases }: LimiterState, expiresAtMs: number): boolean {
  return leases.length < leasesMax || leases.some(([other]) => other === expiresAtMs);
}

function addLease(leases: readonly Lease[], expiresAtMs: number, tokens: number): readonly Lease[] {
  const same = leases.find(([other]) => other === expiresAtMs)?.[1] ?? 0;
  const others = leases.filter(([other]) => other !== expiresAtMs);
  const all: readonly Lease[] = same + tokens === 0 ? others : [...others, [expiresAtMs, same + tokens]];
  return all.toSorted(([a], [b]) => a - b);
}

/** What comes after the end of its lease counts as spent. */
function takeBack(
  rules: readonly Rule[],
  state: LimiterState,
  returned: ReturnedTokens,
  now: Bounds,
): LimiterState {
  const { expiresAtMs, spent, unspent } = returned;
  const out = state.leases.find(([other]) => other === expiresAtMs)?.[1];
  if (out === undefined || spent + unspent === 0) return state;
  const tokens = Math.min(out, spent + unspent);
  const leases = addLease(state.leases, expiresAtMs, -tokens);
  const free = giveBack(rules, { ...state, leases }, tokens, now, expiresAtMs);
  // What was spent was so by now, which may be long before the end of the lease.
  return charge(rules, free, Math.max(0, tokens - unspent), now, now.latestMs);
}
