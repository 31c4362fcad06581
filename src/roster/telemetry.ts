import { LeaseholdError, type LeaseLostError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import { invariant } from "../core/invariant.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Acquisition } from "./acquisition.ts";
import type { HeldGrant } from "./grant.ts";

/** What telemetry works with. */
export interface TelemetryContext {
  readonly events: Events;
  readonly runtime: Runtime;
  readonly kind: string;
  readonly name: string;
}

/** Only of grants in whose end somebody was interested when they began. One for all: there may be ten thousand queues. */
const grantsBeganAtMs = new WeakMap<HeldGrant, number>();

/** Tells of what happens to the grants of one roster. */
export class Telemetry {
  readonly #context: TelemetryContext;

  constructor(context: TelemetryContext) {
    this.#context = context;
  }

  /** A caller asks: whoever listens is told if it gets nothing. */
  asked(acquisition: Acquisition): void {
    if (!this.#context.events.listens("refused")) return;
    acquisition.answer.catch((error: unknown) =>
      this.refused(acquisition, error instanceof LeaseholdError ? error.code : "UNKNOWN"),
    );
  }

  refused(acquisition: Acquisition, code: string): void {
    const { events, kind, name } = this.#context;
    events.emit("refused", () => ({ kind, name, waitMs: this.#sinceMs(acquisition.askedAtMs), code }));
  }

  acquired(acquisition: Acquisition, grant: HeldGrant): void {
    const { events, kind, name, runtime } = this.#context;
    if (events.listens("released") || events.listens("lost")) {
      grantsBeganAtMs.set(grant, runtime.monotonicMs());
    }
    const { fence } = grant;
    events.emit("acquired", () => ({
      ...{ kind, name, fence },
      waitMs: this.#sinceMs(acquisition.askedAtMs),
      isContended: acquisition.wasInLine,
    }));
  }

  released(grant: HeldGrant): void {
    const { events, kind, name } = this.#context;
    events.emit("released", () => ({ kind, name, fence: grant.fence, heldMs: this.#heldMs(grant) }));
  }

  lost(grant: HeldGrant): void {
    const { events, kind, name } = this.#context;
    events.emit("lost", () => ({
      ...{ kind, name, fence: grant.fence, heldMs: this.#heldMs(grant) },
      reason: reasonOf(grant),
    }));
  }

  /** Who began to listen later hears the time since this process began to hold nothing: 0. */
  #heldMs(grant: HeldGrant): number {
    const beganAtMs = grantsBeganAtMs.get(grant);
    return beganAtMs === undefined ? 0 : this.#sinceMs(beganAtMs);
  }

  #sinceMs(atMs: number): number {
    return this.#context.runtime.monotonicMs() - atMs;
  }
}

/** Why it is lost. Not from its signal: where somebody asked for that before, it aborts after this is told. */
function reasonOf(grant: HeldGrant): LeaseLostError {
  try {
    grant.assertHeld();
  } catch (error) {
    return error as LeaseLostError;
  }
  invariant(false, "who is told of a loss has lost something");
}
