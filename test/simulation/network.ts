import type { CommitResult, Operation, StoredRecord } from "../../src/core/backend.ts";
import type { Choices } from "../../src/testing/simulation/choices.ts";
import type { Fate, Network, SimulatedRequest } from "../../src/testing/simulation/simulated-link.ts";
import type { SimulatedProcess } from "../../src/testing/simulation/simulated-process.ts";
import type { VirtualTime } from "../../src/testing/simulation/virtual-time.ts";
import { decode, type Happening } from "./history.ts";
import type { MishapKind, Plan } from "./plan.ts";

/** What can be wrong with the network for a while, of one client or of all. */
export const conditions = [
  "store away",
  "requests swallowed",
  "replies swallowed",
  "slow network",
  "lagging replica",
] as const;

export type Condition = (typeof conditions)[number];

interface Active {
  readonly condition: Condition;
  readonly client: string | undefined;
  readonly sinceMs: number;
}

const slowdown = 30;

/** The network of a run: draws what becomes of each request and hint from the seed. */
export class DrawnNetwork implements Network {
  readonly timeoutMs: number;
  readonly #plan: Plan;
  readonly #choices: Choices;
  readonly #record: (by: SimulatedProcess, happening: Happening) => void;
  readonly #numbers = new Map<string, number>();
  readonly #time: VirtualTime;
  /** The newest heartbeat that was sent, of each session. */
  readonly #beats = new Map<string, number>();
  readonly #active = new Set<Active>();
  #isCalm = false;

  constructor(
    plan: Plan,
    choices: Choices,
    time: VirtualTime,
    record: (by: SimulatedProcess, happening: Happening) => void,
  ) {
    this.#time = time;
    this.#plan = plan;
    this.#choices = choices;
    this.#record = record;
    this.timeoutMs = plan.timeoutMs;
  }

  /** Begins a condition, for the client of this name or for all; answers how to end it. */
  begin(condition: Condition, client: string | undefined): () => void {
    const active = { condition, client, sinceMs: this.#time.nowMs };
    this.#active.add(active);
    return () => this.#active.delete(active);
  }

  /** From now on everything arrives. */
  calm(): void {
    this.#isCalm = true;
    this.#active.clear();
  }

  fateOf({ by, what, operations }: SimulatedRequest): Fate {
    const place = this.#next(by, "request");
    this.#tellBeats(by, operations ?? []);
    const isWrite = what === "commit" || what === "add";
    const slow = this.#suffers(by, "slow network") ? slowdown : 1;
    let outboundMs = slow * this.#latencyMs(`${place}.out`);
    let inboundMs = slow * this.#latencyMs(`${place}.back`);
    let end: Fate["end"] = "answered";
    if (this.#strikes(by, "refused", place) || this.#suffers(by, "store away")) end = "refused";
    else if (this.#strikes(by, "request lost", place) || this.#suffers(by, "requests swallowed")) {
      end = "request lost";
    } else if (this.#strikes(by, "reply lost", place) || this.#suffers(by, "replies swallowed")) {
      end = "reply lost";
    }
    if (this.#strikes(by, "late request", place)) outboundMs += this.#delayMs(`${place}.late`);
    if (this.#strikes(by, "late reply", place)) inboundMs += this.#delayMs(`${place}.late reply`);
    const asOfMs = isWrite ? undefined : this.#staleAsOf(by, place, outboundMs);
    return { end, outboundMs, inboundMs, asOfMs };
  }

  #staleAsOf(by: SimulatedProcess, place: string, outboundMs: number): number | undefined {
    const lag = this.#condition(by, "lagging replica");
    if (lag !== undefined) return lag.sinceMs;
    const isStale = this.#strikes(by, "stale read", place);
    return isStale ? this.#time.nowMs + outboundMs - this.#delayMs(`${place}.stale`) : undefined;
  }

  hintDelaysMs(to: SimulatedProcess): readonly number[] {
    const place = this.#next(to, "hint");
    if (this.#strikes(to, "hint lost", place) || this.#active.size > 0) return [];
    const delayMs = this.#latencyMs(`${place}.delay`);
    const delaysMs = [delayMs];
    if (this.#strikes(to, "hint late", place)) delaysMs[0] = delayMs + this.#delayMs(`${place}.late`);
    if (this.#strikes(to, "hint repeated", place)) delaysMs.push(delayMs + this.#delayMs(`${place}.again`));
    return delaysMs;
  }

  answered(by: SimulatedProcess, operations: readonly Operation[], result: CommitResult): void {
    for (const [index, operation] of operations.entries()) {
      const current = result.committed ? putBy(operation) : result.conflicts[index]?.current;
      const decoded = decode(current ?? null);
      if (decoded?.kind !== "session" || decoded.record.state !== "live") continue;
      if (!isOwnSession(by.name, decoded.session)) continue;
      this.#record(by, { what: "beat answered", session: decoded.session, beat: decoded.record.beat });
    }
  }

  notice(by: SimulatedProcess, kind: "stale read" | "unanswered write"): void {
    this.#record(by, { what: "noticed", kind });
  }

  #next(process: SimulatedProcess, what: string): string {
    const key = `${process.name}.${what}`;
    const number = (this.#numbers.get(key) ?? 0) + 1;
    this.#numbers.set(key, number);
    return `${key}${number}`;
  }

  #latencyMs(place: string): number {
    return this.#choices.between(place, ...this.#plan.latencyMs);
  }

  #delayMs(place: string): number {
    return this.#choices.magnitude(place, 0.01, 3) * this.#plan.ttlMaxMs;
  }

  #strikes(by: SimulatedProcess, kind: MishapKind, place: string): boolean {
    if (this.#isCalm || !this.#choices.happens(`${place}.${kind}`, this.#plan.mishapRates[kind]))
      return false;
    this.#record(by, { what: "mishap", kind, place });
    return true;
  }

  #suffers(by: SimulatedProcess, condition: Condition): boolean {
    return this.#condition(by, condition) !== undefined;
  }

  #condition(by: SimulatedProcess, condition: Condition): Active | undefined {
    for (const active of this.#active) {
      const isConcerned = active.client === undefined || by.name.split(".")[0] === active.client;
      if (isConcerned && active.condition === condition) return active;
    }
    return undefined;
  }

  #tellBeats(by: SimulatedProcess, operations: readonly Operation[]): void {
    for (const operation of operations) {
      const decoded = decode(putBy(operation));
      if (decoded?.kind !== "session" || decoded.record.state !== "live") continue;
      const { beat, ttlMs } = decoded.record;
      // Messages are written into it as well, by others and by later sessions of the same process: no heartbeats.
      if (beat <= (this.#beats.get(decoded.session) ?? 0)) continue;
      this.#beats.set(decoded.session, beat);
      this.#record(by, { what: "beat sent", session: decoded.session, beat, ttlMs });
    }
  }
}

/** The record that an operation makes. */
function putBy(operation: Operation): StoredRecord | null {
  return operation.kind === "put" ? { key: operation.key, value: operation.value, version: "" } : null;
}

/** Whether a process opened a session: ids begin with its name. */
export function isOwnSession(process: string, session: string): boolean {
  return session.startsWith(`${process.replaceAll(".", "_")}-`);
}
