import type { Unsubscribe } from "../core/backend.ts";
import { AbortedError, AcquireTimeoutError, type LeaseholdError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";
import type { HeldGrant } from "./grant.ts";
import type { Entrant, Holder, Roster } from "./roster.ts";

/** What one caller asks for. */
export interface AcquireRequest {
  readonly name: string;
  readonly ttlMs: number;
  readonly weight: number;
  /** The capacity that is expected. Left out: whatever the record says. */
  readonly capacity: number | undefined;
  /** `Infinity`: as long as it takes. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly metadata: Json | undefined;
  /** How long it is held at most. */
  readonly maxHoldMs?: number | undefined;
  /** By which others can hand over to it. */
  readonly identity?: string;
  /** Makes the roster's note the one of whoever joins, in the same write; `null`: it may not join. Only for tries. */
  readonly claim?: (note: Json | undefined) => Json | null;
  /**
   * Takes it from all who hold it, before all who wait. Called with those from whom each attempt would take it: once the
   * grant is there, none of them holds it any more, and they are to be told.
   */
  readonly seize?: (holders: readonly Holder[]) => void;
  /**
   * How it comes in, where that is not at the end of the queue. Answers the same roster where it cannot come in now. Not
   * for tries.
   */
  readonly enter?: (roster: Roster, entrant: Entrant) => Roster;
}

/**
 * One caller's wish, from the call to its one answer: a grant, or an error. Timer and abort listener are gone
 * when it is answered.
 */
export class Acquisition<G = HeldGrant> {
  readonly request: AcquireRequest;
  readonly answer: Promise<G>;
  /** When it was asked, on the monotonic clock. */
  readonly askedAtMs: number;
  /** Whether it had to stand in line behind others. */
  wasInLine = false;
  /** The last failure of the store, told when the time is up. */
  failure: LeaseholdError | undefined;
  #isOpen = true;
  #onAbort: (() => void) | undefined;
  #listeners: Set<() => void> | undefined;
  #resolve!: (grant: G) => void;
  #reject!: (error: unknown) => void;
  #cancelTimer: CancelTimer | undefined;
  readonly #whyNot: () => string;

  /** `whyNot`: told when the time is up, and the store did not fail. */
  constructor(runtime: Runtime, request: AcquireRequest, whyNot: () => string = () => holders(0)) {
    this.request = request;
    this.#whyNot = whyNot;
    this.askedAtMs = runtime.monotonicMs();
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (request.signal !== undefined) this.#follow(request.signal);
    if (!this.#isOpen || request.waitMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = runtime.schedule(request.waitMs, () => this.#onTimeout(), { holdsProcessOpen: true });
  }

  /** Whether nobody has answered yet. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** As a roster change asks: whether to go on, after this failure if there was one. */
  isWanted(failure?: LeaseholdError): boolean {
    if (failure !== undefined) this.failure = failure;
    return this.isOpen;
  }

  /** Calls `listener` when it is answered, one way or the other. */
  onAnswered(listener: () => void): Unsubscribe {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** Hands the grant over. Answers false when the caller has gone, and the grant must be given back. */
  resolve(grant: G): boolean {
    const isWanted = this.dismiss();
    if (isWanted) this.#resolve(grant);
    return isWanted;
  }

  reject(error: unknown): void {
    if (this.dismiss()) this.#reject(error);
  }

  /** Ends it without an answer: nobody listens to this one any more. Answers whether that is news. */
  dismiss(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.#cancelTimer?.();
    if (this.#onAbort !== undefined) this.request.signal?.removeEventListener("abort", this.#onAbort);
    for (const listener of this.#listeners ?? []) listener();
    return true;
  }

  #follow(signal: AbortSignal): void {
    this.#onAbort = () =>
      this.reject(new AbortedError("the caller aborted the acquire", { cause: signal.reason }));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  #onTimeout(): void {
    const { name, waitMs } = this.request;
    const why =
      this.failure === undefined ? this.#whyNot() : `the store last failed with: ${this.failure.message}`;
    const message = `${JSON.stringify(name)} was not acquired within ${waitMs} ms: ${why}`;
    this.reject(new AcquireTimeoutError(message, this.failure && { cause: this.failure }));
  }
}

/** Who stands in the way, as far as this client knows: `own`, how much of it is held by the client itself. */
export function holders(own: number): string {
  if (own === 0) return "others hold it";
  return (
    `this same coordinator holds ${own === 1 ? "it" : `${own} of it`}, and it is not reentrant: whoever has it must ` +
    "give it back with release() before asking for it again"
  );
}

/** Why a single try failed. */
export function notHadNow({ name }: AcquireRequest, own: number): AcquireTimeoutError {
  return new AcquireTimeoutError(`${JSON.stringify(name)} was not acquired, and wait is 0: ${holders(own)}`);
}
