import type { History, HistoryEvent } from "../history.ts";
import { idOf, stepsIn } from "./checker.ts";
import { Takings } from "./takings.ts";

/** Timers of real processes are no finer than this, and fractions are rounded. */
const timerStepMs = 1.01;

/** Follows a history, and knows of grants that ended alone: taken by force, stolen, or held for longer than they may be. */
export class Ends {
  readonly #takings: Takings;
  readonly #fences = new Map<number, number>();
  readonly #entrants = new Map<string, string>();
  readonly #told = new Set<string>();
  readonly #forces = new Set<string>();
  /** Calls that asked for several at once, together: with one of them all are lost. */
  readonly #together = new Map<number, string>();
  readonly #names = new Map<number, string>();
  readonly #limitsMs = new Map<number, number>();

  constructor(history: History) {
    this.#takings = new Takings(history);
  }

  see(event: HistoryEvent): void {
    this.#takings.see(event);
    if (event.what === "asked" && event.how === "acquire several") {
      this.#together.set(event.call, `${event.by} ${event.localMs}`);
    }
    if (event.what === "granted") this.#names.set(event.call, event.name);
    const isTheft = event.what === "asked" && event.how === "steal";
    if (isTheft || event.what === "force asked") this.#forces.add(`${event.by} ${event.name}`);
    if (event.what === "granted" || event.what === "reweighed") this.#fences.set(event.call, event.fence);
    if (event.what === "slot begun" && event.atMostMs !== undefined) {
      this.#limitsMs.set(event.call, event.localMs + event.atMostMs);
    }
    if (event.what !== "store") return;
    for (const { name, after } of stepsIn(event)) {
      for (const holder of after.holders) this.#entrants.set(`${name}/${holder.fence}`, idOf(holder));
    }
    for (const { after } of event.changes) {
      if (after?.kind !== "session" || after.record.state !== "live") continue;
      for (const { kind, ticket } of after.record.requests ?? []) {
        if (kind === "released") this.#told.add(idOf({ session: after.session, ticket }));
      }
    }
  }

  /** Whether the grant of this call has ended alone, as far as anybody can know. */
  has({ call, by, localMs }: Extract<HistoryEvent, { readonly what: "lost" }>): boolean {
    if (localMs >= (this.#limitsMs.get(call) ?? Number.POSITIVE_INFINITY) - timerStepMs) return true;
    const asked = this.#together.get(call);
    const calls = [...this.#together.keys()].filter((other) => this.#together.get(other) === asked);
    return (asked === undefined ? [call] : calls).some((each) => this.#wasTaken(each, by));
  }

  #wasTaken(call: number, by: string): boolean {
    const name = this.#names.get(call) ?? "";
    const fence = this.#fences.get(call) ?? 0;
    const entrant = this.#entrants.get(`${name}/${fence}`) ?? "";
    if (this.#told.has(entrant) || this.#takings.untilMs(name, fence) !== undefined) return true;
    // Who takes what its own process holds tells itself, and leaves no message.
    return this.#forces.has(`${by} ${name}`);
  }
}
