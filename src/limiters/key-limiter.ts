import { ClosedError } from "../core/errors.ts";
import type { CancelTimer } from "../core/runtime.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Pooled } from "../records/record-pool.ts";
import type { Decision } from "./decision.ts";
import { LeaseHolder } from "./lease-holder.ts";
import type { LimiterAnswer, LimiterCommand } from "./limiter-commands.ts";
import { LimiterRecord } from "./limiter-record.ts";
import type { Rule } from "./limiter-state.ts";
import { LocalLimiter } from "./local-limiter.ts";
import type { StoreGuard } from "./store-guard.ts";
import { withHeld } from "./token-lease.ts";
import { WaitingLine } from "./waiting-line.ts";

/** How the keys of one limiter are decided. */
export interface KeySettings {
  readonly rules: readonly Rule[];
  readonly mode: "auto" | "exact" | "leased";
  readonly queueMax: number;
  readonly guard: StoreGuard;
}

/** In `auto`, a key that is asked for this often in one look is leased: 200 times a second. */
const busyAsks = 50;
/** How often demand is looked at: what is not needed goes back. */
const lookMs = 250;

/** All that one process does with one key of a limiter. */
export class KeyLimiter implements Pooled {
  readonly #host: RecordHost;
  readonly #settings: KeySettings;
  readonly #record: LimiterRecord;
  readonly #line: WaitingLine;
  readonly #holder: LeaseHolder;
  #local: LocalLimiter | undefined;
  #isLeasing: boolean;
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
    const { guard } = settings;
    const onDemand = (): void => this.#startLooking();
    this.#holder = new LeaseHolder({ host, record: this.#record, guard, subject, onDemand });
  }

  get isBusy(): boolean {
    return this.#record.isBusy || this.#holder.isBusy || this.#line.length > 0;
  }

  /** Whether the store was away a moment ago; one in a while finds out whether it still is. */
  shouldSkip(): boolean {
    return this.#settings.guard.shouldSkip();
  }

  /** Decides without the store, by this process's share: by default that of one of all that used this key lately. */
  takeLocally(cost: number, share = 1 / this.#record.writers): Decision {
    this.#local ??= new LocalLimiter(this.#host.runtime, this.#settings.rules);
    return this.#local.take(cost, share);
  }

  /** The decision that needs no request: with tokens that are held here, or a denial. */
  decideHere(cost: number): Decision | undefined {
    const ahead = this.#ahead(cost);
    return ahead === undefined ? this.#decideAlone(cost) : behind(ahead, cost);
  }

  /** Decides, or waits until it is allowed. */
  take(cost: number, waitMs: number, signal?: AbortSignal): Promise<Decision> {
    if (waitMs === 0) return this.#ask(cost, signal);
    return this.#inTurn(cost, waitMs, signal, async () => this.#decideAlone(cost) ?? this.#ask(cost, signal));
  }

  /** What `take` would be told. */
  async peek(cost: number): Promise<Decision> {
    const { held } = this.#holder;
    const rest = Math.max(0, cost - held);
    const asked = this.#record.run({ kind: "peek", cost: rest });
    const decision = await this.#settings.guard.watch(asked, pickDecision);
    return withHeld(decision, cost, held);
  }

  /** As {@link KeyLimiter.take}, of tokens that may be given back until `expiresAtMs`. */
  async reserve(cost: number, ttlMs: number, waitMs: number, signal?: AbortSignal): Promise<LimiterAnswer> {
    const command = { kind: "lease", returned: [], atLeast: cost, wanted: 0, ttlMs } as const;
    let answer: LimiterAnswer | undefined;
    const decision = await this.#inTurn(cost, waitMs, signal, async () => {
      const denial = this.#record.denial(cost, 0);
      if (denial !== undefined) return denial;
      answer = await this.#settings.guard.watch(this.#record.run(command, signal), asIs);
      return answer.decision;
    });
    return { leased: 0, expiresAtMs: 0, ...answer, decision };
  }

  /** What changes more than a decision. What this process holds is given back before, so that it counts as well. */
  async run(command: LimiterCommand): Promise<LimiterAnswer> {
    const givesBack = command.kind !== "lease";
    // In the same turn, so that both are one write.
    const givenBack = givesBack ? this.#holder.giveBack(0) : undefined;
    const answer = await this.#settings.guard.watch(this.#record.run(command), asIs);
    // What was leased while the command waited for its write.
    if (givesBack) void this.#holder.giveBack(0);
    await givenBack;
    this.#line.wake();
    return answer;
  }

  /** Gives back what this process holds. */
  async close(): Promise<void> {
    this.#line.close(new ClosedError("the coordinator was closed"));
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    await this.#holder.close();
    await this.#record.close();
  }

  async #inTurn(
    cost: number,
    waitMs: number,
    signal: AbortSignal | undefined,
    ask: () => Promise<Decision>,
  ): Promise<Decision> {
    const ahead = this.#ahead(cost);
    const decision = ahead === undefined ? await ask() : behind(ahead, cost);
    const { allowed, retryAfterMs } = decision;
    if (allowed || retryAfterMs === null || retryAfterMs > waitMs || waitMs === 0) return decision;
    if (this.#line.length >= this.#settings.queueMax) return decision;
    return this.#line.join(decision, ask, waitMs, signal);
  }

  /** What the first in line was told; what can never be had waits for nobody. */
  #ahead(cost: number): Decision | undefined {
    const isTooMuch = this.#settings.rules.some(({ policy }) => cost > policy.burst);
    return isTooMuch ? undefined : this.#line.denial;
  }

  #decideAlone(cost: number): Decision | undefined {
    if (!this.#isLeasing) return this.#record.denial(cost, 0);
    const decision = this.#holder.spend(cost);
    if (decision === undefined) return this.#record.denial(cost, this.#holder.held);
    this.#count(cost);
    return decision;
  }

  #ask(cost: number, signal: AbortSignal | undefined): Promise<Decision> {
    const { guard, mode } = this.#settings;
    this.#count(cost);
    if (!this.#isLeasing) {
      if (mode === "auto") this.#startLooking();
      return guard.watch(this.#record.run({ kind: "take", cost }, signal), pickDecision);
    }
    return this.#holder.ask(cost, signal);
  }

  #count(cost: number): void {
    this.#asks += 1;
    this.#asked += cost;
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
    await this.#holder.adapt(this.#demandPerMs, asks > 0);
    if (asks > 0 || this.#holder.isBusy) this.#startLooking();
  }
}

/** The denial of one who comes while others wait. */
function behind(ahead: Decision, cost: number): Decision {
  return { ...ahead, cost, source: "cache" };
}

function pickDecision({ decision }: LimiterAnswer): Decision {
  return decision;
}

function asIs<T>(value: T): T {
  return value;
}
