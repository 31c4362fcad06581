import { AbortedError } from "../core/errors.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Decision } from "./decision.ts";
import type { LimiterRecord } from "./limiter-record.ts";
import { tokensMax } from "./policy.ts";
import type { StoreGuard } from "./store-guard.ts";
import { leasedDecision, TokenLease } from "./token-lease.ts";

/** What a {@link LeaseHolder} works with. */
export interface LeaseHolderParts {
  readonly host: RecordHost;
  readonly record: LimiterRecord;
  readonly guard: StoreGuard;
  readonly subject: string;
  /** Called when it begins to hold something. */
  readonly onDemand: () => void;
}

/** Somebody whose tokens are being leased. */
interface Asker {
  readonly cost: number;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
}

/** How long tokens are held at most before they are renewed or count as spent. */
const leaseTtlMs = 2_000;
/** Leases bring what is needed for about this long. */
const blockMs = 500;
/** A block is renewed in the background when this part of it is left. */
const lowPart = 0.4;
/** After a renewal in the background that brought nothing, the next one is not sent before. */
const dryMs = 50;
/** After an answer that came when most of its lease was over, each one asks for itself for this long. */
const slowMs = 10_000;

/** The tokens of one key that this process holds, and how it comes by them. */
export class LeaseHolder {
  readonly #parts: LeaseHolderParts;
  readonly #lease = new TokenLease();
  #askers: Asker[] = [];
  #isRenewing = false;
  #idleListeners: (() => void)[] = [];
  /** The last answer of the store to a lease, and when that came. */
  #last: { readonly decision: Decision; readonly atMs: number } | undefined;
  /** What the last lease brought. */
  #block = 0;
  #dryUntilMs = 0;
  #slowUntilMs = 0;
  /** Tokens asked for in a millisecond. */
  #demandPerMs = 0;

  constructor(parts: LeaseHolderParts) {
    this.#parts = parts;
  }

  /** Whether anything is held or asked for. */
  get isBusy(): boolean {
    return this.#isRenewing || !this.#lease.isEmpty;
  }

  /** Tokens that are held here. */
  get held(): number {
    const time = this.#parts.host.clock.peek();
    return time === undefined ? 0 : this.#lease.tokensAt(time.latestMs);
  }

  /** Spends tokens that are held here, if there are enough. */
  spend(cost: number): Decision | undefined {
    const { clock, runtime } = this.#parts.host;
    const time = clock.peek();
    if (time === undefined || this.#last === undefined || this.#askers.length > 0) return undefined;
    const left = this.#lease.tokensAt(time.latestMs) - cost;
    if (left < 0) return undefined;
    this.#lease.spend(cost);
    const nowMs = runtime.monotonicMs();
    if (left < lowPart * this.#block && !this.#isRenewing && nowMs >= this.#dryUntilMs) void this.#renew();
    return leasedDecision(this.#last.decision, cost, left, nowMs - this.#last.atMs);
  }

  /** Leases what is needed. Who gave up, or was told that the store is away, is not charged afterwards. */
  async ask(cost: number, signal: AbortSignal | undefined): Promise<Decision> {
    const asker: { cost: number; resolve: Asker["resolve"]; reject: Asker["reject"] } = {
      ...{ cost, resolve: () => undefined, reject: () => undefined },
    };
    const onAbort = (): void => {
      // Once it asks for itself, the answer counts.
      if (!this.#askers.includes(asker)) return;
      this.#askers = this.#askers.filter((other) => other !== asker);
      asker.reject(this.#aborted(signal?.reason));
    };
    const request = new Promise<Decision>((resolve, reject) => {
      Object.assign(asker, { resolve, reject });
      this.#askers.push(asker);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (!this.#isRenewing) void this.#renew();
    });
    try {
      return await this.#parts.guard.watch(request, asIs);
    } catch (error) {
      this.#askers = this.#askers.filter((other) => other !== asker);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** How much was asked for lately, and gives back what is not needed for that. */
  async adapt(demandPerMs: number, isInUse: boolean): Promise<void> {
    this.#demandPerMs = demandPerMs;
    if (this.#isRenewing || this.#lease.isEmpty) return;
    const keep = isInUse ? Math.ceil(2 * demandPerMs * blockMs) : 0;
    if (!isInUse || this.held > keep) await this.giveBack(keep);
  }

  /** Gives back what is more than `keep`, and says what was spent. */
  async giveBack(keep: number): Promise<void> {
    const { host, record } = this.#parts;
    const time = host.clock.peek();
    // When the time is not known nothing may be spent: it is left to the end of its lease.
    const returned = this.#lease.report(time?.latestMs ?? Number.POSITIVE_INFINITY, keep);
    if (time === undefined || returned.length === 0) return;
    try {
      await record.run({ kind: "lease", returned, atLeast: 0, wanted: 0, ttlMs: leaseTtlMs });
    } catch {
      // Not given back: the tokens count as spent at the end of their lease.
    }
  }

  /** Gives back what is held. */
  async close(): Promise<void> {
    if (this.#isRenewing) await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
    if (!this.#lease.isEmpty) await this.giveBack(0);
  }

  /** Leases until everybody who asked has an answer; once, ahead of need, where nobody asked. */
  async #renew(): Promise<void> {
    const { runtime, clock } = this.#parts.host;
    this.#isRenewing = true;
    this.#parts.onDemand();
    try {
      do {
        const { latestMs } = await clock.now();
        this.#serve(latestMs);
        if (runtime.monotonicMs() < this.#slowUntilMs) await this.#askEach();
        else await this.#leaseMore(latestMs);
        const time = await clock.now();
        this.#serve(time.latestMs);
      } while (this.#askers.length > 0);
    } catch (error) {
      for (const { reject } of this.#askers.splice(0)) reject(error);
      this.#dryUntilMs = runtime.monotonicMs() + dryMs;
    }
    this.#isRenewing = false;
    for (const resolve of this.#idleListeners.splice(0)) resolve();
  }

  async #leaseMore(latestMs: number): Promise<void> {
    const { host, record } = this.#parts;
    const [first] = this.#askers;
    const atLeast = first === undefined ? 0 : first.cost - this.#lease.tokensAt(latestMs);
    const startedAtMs = host.runtime.monotonicMs();
    const { decision, leased, expiresAtMs } = await record.run({
      ...{ kind: "lease", returned: this.#lease.report(latestMs, Number.POSITIVE_INFINITY) },
      ...{ atLeast, wanted: this.#wanted(startedAtMs), ttlMs: leaseTtlMs },
    });
    const nowMs = host.runtime.monotonicMs();
    this.#last = { decision, atMs: nowMs };
    // Such leases would be over before anybody spends them.
    if (nowMs - startedAtMs > leaseTtlMs / 2) this.#slowUntilMs = nowMs + slowMs;
    if (leased === 0) {
      this.#dryUntilMs = nowMs + dryMs;
      if (first !== undefined && atLeast > 0) this.#deny(first, decision);
    } else if (expiresAtMs > 0) {
      this.#lease.add(expiresAtMs, leased);
      this.#block = leased;
    } else if (first !== undefined) {
      // They count as spent already. What there was beside them may have ended meanwhile: then they are asked for again.
      const rest = first.cost - leased;
      if (this.#lease.tokensAt((await host.clock.now()).latestMs) < rest || this.#askers[0] !== first) return;
      this.#lease.spend(rest);
      this.#askers.shift();
      first.resolve({ ...decision, cost: first.cost });
    }
  }

  #wanted(nowMs: number): number {
    const waiting = this.#askers.reduce((sum, { cost }) => sum + cost, 0);
    // A block that was spent in no time was too small.
    const isSpentSoon = this.#last !== undefined && nowMs - this.#last.atMs < blockMs / 2;
    const grown = isSpentSoon ? 2 * this.#block : 0;
    return Math.min(tokensMax, Math.max(waiting, Math.ceil(this.#demandPerMs * blockMs), grown, 1));
  }

  /** As in exact mode. */
  async #askEach(): Promise<void> {
    const { record } = this.#parts;
    const each = this.#askers.splice(0).map(async ({ cost, resolve, reject }) => {
      await record.run({ kind: "take", cost }).then(({ decision }) => resolve(decision), reject);
    });
    await Promise.all(each);
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

  #aborted(cause: unknown): AbortedError {
    const { subject } = this.#parts;
    return new AbortedError(`the caller gave up what it asked of ${subject}; nothing was taken`, { cause });
  }
}

function asIs<T>(value: T): T {
  return value;
}
