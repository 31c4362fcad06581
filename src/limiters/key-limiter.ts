import { ClosedError } from "../core/errors.ts";
import type { CancelTimer } from "../core/runtime.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Pooled } from "../records/record-pool.ts";
import type { Decision } from "./decision.ts";
import type { LimiterAnswer, LimiterCommand } from "./limiter-commands.ts";
import { LimiterRecord } from "./limiter-record.ts";
import type { Rule } from "./limiter-state.ts";
import { tokensMax } from "./policy.ts";
import type { StoreGuard } from "./store-guard.ts";
import { leasedDecision, TokenLease, withHeld } from "./token-lease.ts";
import { WaitingLine } from "./waiting-line.ts";

/** How the keys of one limiter are decided. */
export interface KeySettings {
  readonly rules: readonly Rule[];
  readonly mode: "auto" | "exact" | "leased";
  readonly queueMax: number;
  readonly leaseTtlMs: number;
  readonly guard: StoreGuard;
}

/** Somebody whose tokens are being leased. */
interface Asker {
  readonly cost: number;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
}

/** In `auto`, a key that is asked for this often in one look is leased: 200 times a second. */
const busyAsks = 50;
/** How often demand is looked at: what is not needed goes back. */
const lookMs = 250;
/** Leases bring what is needed for about this long. */
const blockMs = 500;
/** A block is renewed in the background when this part of it is left. */
const lowPart = 0.4;
/** After a renewal in the background that brought nothing, the next one is not sent before. */
const dryMs = 50;

/** All that one process does with one key of a limiter. */
export class KeyLimiter implements Pooled {
  readonly #host: RecordHost;
  readonly #settings: KeySettings;
  readonly #record: LimiterRecord;
  readonly #line: WaitingLine;
  readonly #lease = new TokenLease();
  #isLeasing: boolean;
  #askers: Asker[] = [];
  #isRenewing = false;
  #idleListeners: (() => void)[] = [];
  /** The last answer of the store to a lease, and when that came. */
  #last: { readonly decision: Decision; readonly atMs: number } | undefined;
  /** What the last lease brought. */
  #block = 0;
  #dryUntilMs = 0;
  /** Tokens asked for since the last look, and how many a millisecond before. */
  #asked = 0;
  #asks = 0;
  #demandPerMs = 0;
  #cancelLook: CancelTimer | undefined;

  constructor(host: RecordHost, settings: KeySettings, key: string, subject: string) {
    this.#host = host;
    this.#settings = settings;
    this.#record = new LimiterRecord(host, settings.rules, key, subject);
    this.#line = new WaitingLine(host.runtime, subject);
    this.#isLeasing = settings.mode === "leased";
  }

  get isBusy(): boolean {
    return this.#record.isBusy || this.#isRenewing || !this.#lease.isEmpty || this.#line.length > 0;
  }

  /** Processes that used this key lately. */
  get writers(): number {
    return this.#record.writers;
  }

  /** The decision that needs no request: with tokens that are held here, or a denial. */
  decideHere(cost: number): Decision | undefined {
    const ahead = this.#line.denial;
    return ahead === undefined ? this.#decideAlone(cost) : behind(ahead, cost);
  }

  /** Decides, or waits until it is allowed. */
  take(cost: number, waitMs: number, signal?: AbortSignal): Promise<Decision> {
    if (waitMs === 0) return this.#ask(cost, signal);
    return this.#inTurn(cost, waitMs, signal, async () => this.#decideAlone(cost) ?? this.#ask(cost, signal));
  }

  /** What `take` would be told. */
  async peek(cost: number): Promise<Decision> {
    const held = this.#held();
    const rest = Math.max(0, cost - held);
    const { decision } = await this.#settings.guard.watch(this.#record.run({ kind: "peek", cost: rest }));
    return withHeld(decision, cost, held);
  }

  /** As {@link KeyLimiter.take}, of tokens that may be given back until `expiresAtMs`. */
  async reserve(cost: number, ttlMs: number, waitMs: number, signal?: AbortSignal): Promise<LimiterAnswer> {
    const command = { kind: "lease", returned: [], atLeast: cost, wanted: 0, ttlMs } as const;
    let answer: LimiterAnswer | undefined;
    const decision = await this.#inTurn(cost, waitMs, signal, async () => {
      const denial = this.#record.denial(cost, 0);
      if (denial !== undefined) return denial;
      answer = await this.#settings.guard.watch(this.#record.run(command, signal));
      return answer.decision;
    });
    return { leased: 0, expiresAtMs: 0, ...answer, decision };
  }

  /** What changes more than a decision. What this process holds is given back before, so that it counts as well. */
  async run(command: LimiterCommand): Promise<LimiterAnswer> {
    if (command.kind !== "lease") await this.#giveBack(0);
    const answer = await this.#settings.guard.watch(this.#record.run(command));
    this.#line.wake();
    return answer;
  }

  /** Gives back what this process holds. */
  async close(): Promise<void> {
    this.#line.close(new ClosedError("the coordinator was closed"));
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    if (this.#isRenewing) await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
    if (!this.#lease.isEmpty) await this.#giveBack(0);
    await this.#record.close();
  }

  async #inTurn(
    cost: number,
    waitMs: number,
    signal: AbortSignal | undefined,
    ask: () => Promise<Decision>,
  ): Promise<Decision> {
    const ahead = this.#line.denial;
    const decision = ahead === undefined ? await ask() : behind(ahead, cost);
    const { allowed, retryAfterMs } = decision;
    if (allowed || retryAfterMs === null || retryAfterMs > waitMs || waitMs === 0) return decision;
    if (this.#line.length >= this.#settings.queueMax) return decision;
    return this.#line.join(decision, ask, waitMs, signal);
  }

  #decideAlone(cost: number): Decision | undefined {
    if (!this.#isLeasing) return this.#record.denial(cost, 0);
    return this.#spend(cost) ?? this.#record.denial(cost, this.#held());
  }

  /** Tokens that are held here. */
  #held(): number {
    const time = this.#host.clock.peek();
    return time === undefined ? 0 : this.#lease.tokensAt(time.latestMs);
  }

  /** With tokens that are held here. */
  #spend(cost: number): Decision | undefined {
    const { clock, runtime } = this.#host;
    const time = clock.peek();
    if (time === undefined || this.#last === undefined || this.#askers.length > 0) return undefined;
    const left = this.#lease.tokensAt(time.latestMs) - cost;
    if (left < 0) return undefined;
    this.#lease.spend(cost);
    this.#count(cost);
    const nowMs = runtime.monotonicMs();
    if (left < lowPart * this.#block && !this.#isRenewing && nowMs >= this.#dryUntilMs) void this.#renew();
    return leasedDecision(this.#last.decision, cost, left, nowMs - this.#last.atMs);
  }

  #ask(cost: number, signal: AbortSignal | undefined): Promise<Decision> {
    const { guard, mode } = this.#settings;
    this.#count(cost);
    if (!this.#isLeasing) {
      if (mode === "auto") this.#startLooking();
      return guard.watch(this.#record.run({ kind: "take", cost }, signal)).then(({ decision }) => decision);
    }
    const request = new Promise<Decision>((resolve, reject) => {
      this.#askers.push({ cost, resolve, reject });
      if (!this.#isRenewing) void this.#renew();
    });
    return guard.watch(request);
  }

  #count(cost: number): void {
    this.#asks += 1;
    this.#asked += cost;
  }

  /** Leases until everybody who asked has an answer; once, ahead of need, where nobody asked. */
  async #renew(): Promise<void> {
    this.#isRenewing = true;
    this.#startLooking();
    try {
      do {
        const { latestMs } = await this.#host.clock.now();
        this.#serve(latestMs);
        await this.#leaseMore(latestMs);
        const time = await this.#host.clock.now();
        this.#serve(time.latestMs);
      } while (this.#askers.length > 0);
    } catch (error) {
      for (const { reject } of this.#askers.splice(0)) reject(error);
      this.#dryUntilMs = this.#host.runtime.monotonicMs() + dryMs;
    }
    this.#isRenewing = false;
    for (const resolve of this.#idleListeners.splice(0)) resolve();
  }

  async #leaseMore(latestMs: number): Promise<void> {
    const { runtime } = this.#host;
    const [first] = this.#askers;
    const atLeast = first === undefined ? 0 : first.cost - this.#lease.tokensAt(latestMs);
    const waiting = this.#askers.reduce((sum, { cost }) => sum + cost, 0);
    const startedAtMs = runtime.monotonicMs();
    // A block that was spent in no time was too small.
    const isSpentSoon = this.#last !== undefined && startedAtMs - this.#last.atMs < blockMs / 2;
    const grown = isSpentSoon ? 2 * this.#block : 0;
    const wanted = Math.min(tokensMax, Math.max(waiting, Math.ceil(this.#demandPerMs * blockMs), grown, 1));
    const { decision, leased, expiresAtMs } = await this.#record.run({
      ...{ kind: "lease", returned: this.#lease.report(latestMs, Number.POSITIVE_INFINITY) },
      ...{ atLeast, wanted, ttlMs: this.#settings.leaseTtlMs },
    });
    const nowMs = runtime.monotonicMs();
    this.#last = { decision, atMs: nowMs };
    if (leased === 0) {
      this.#dryUntilMs = nowMs + dryMs;
      if (first !== undefined && atLeast > 0) this.#deny(first, decision);
    } else if (expiresAtMs > 0) {
      this.#lease.add(expiresAtMs, leased);
      this.#block = leased;
    } else if (first !== undefined) {
      // They count as spent already. What there was beside them may have ended meanwhile: then they are asked for again.
      const rest = first.cost - leased;
      if (this.#lease.tokensAt((await this.#host.clock.now()).latestMs) < rest) return;
      this.#lease.spend(rest);
      this.#askers.shift();
      first.resolve({ ...decision, cost: first.cost });
    }
  }

  #serve(latestMs: number): void {
    for (let first = this.#askers[0]; first !== undefined; first = this.#askers[0]) {
      const left = this.#lease.tokensAt(latestMs) - first.cost;
      if (left < 0 || this.#last === undefined) return;
      this.#lease.spend(first.cost);
      this.#askers.shift();
      first.resolve(leasedDecision(this.#last.decision, first.cost, left, 0));
    }
  }

  /** Denies the first, and all behind it that need as much. */
  #deny(first: Asker, decision: Decision): void {
    const denied = this.#askers.filter(({ cost }) => cost >= first.cost);
    this.#askers = this.#askers.filter(({ cost }) => cost < first.cost);
    for (const { cost, resolve } of denied) resolve({ ...decision, cost });
  }

  #startLooking(): void {
    this.#cancelLook ??= this.#host.runtime.schedule(lookMs, () => void this.#look());
  }

  /** Chooses between leasing and asking, and gives back what is not needed. */
  async #look(): Promise<void> {
    this.#cancelLook = undefined;
    const [asks, asked] = [this.#asks, this.#asked];
    this.#asks = 0;
    this.#asked = 0;
    this.#demandPerMs = (this.#demandPerMs + asked / lookMs) / 2;
    const { mode } = this.#settings;
    if (mode === "auto") this.#isLeasing = asks >= (this.#isLeasing ? 1 : busyAsks);
    if (asks > 0) this.#startLooking();
    if (this.#isRenewing || this.#lease.isEmpty) return;
    await this.#giveBack(asks > 0 ? Math.ceil(2 * this.#demandPerMs * blockMs) : 0, asks === 0);
  }

  /** Gives back what is more than `keep`. */
  async #giveBack(keep: number, reportsSpent = true): Promise<void> {
    const time = this.#host.clock.peek();
    if (time === undefined || (!reportsSpent && this.#lease.tokensAt(time.latestMs) <= keep)) return;
    const returned = this.#lease.report(time.latestMs, keep);
    if (returned.length === 0) return;
    const { leaseTtlMs } = this.#settings;
    try {
      await this.#record.run({ kind: "lease", returned, atLeast: 0, wanted: 0, ttlMs: leaseTtlMs });
    } catch {
      // Not given back: the tokens count as spent at the end of their lease.
    }
  }
}

/** The denial of one who comes while others wait. */
function behind(ahead: Decision, cost: number): Decision {
  return { ...ahead, cost, source: "cache" };
}
