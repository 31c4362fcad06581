import type { Unsubscribe } from "../core/backend.ts";
import { LeaseLostError } from "../core/errors.ts";
import { watchClocks } from "../roster/clock-signal.ts";
import type { Grant, GrantState, HeldGrant } from "../roster/grant.ts";
import { GrantEvents, type GrantListener } from "../roster/grant-events.ts";

/** A grant of several locks, which are had and given back together. */
export interface MultiGrant extends Grant {
  /** The fence of each lock, by name. `fence` is the largest of them. */
  readonly fences: ReadonlyMap<string, number>;
}

/** The worst state of its parts is the state of the whole. */
const worstFirst: readonly GrantState[] = ["lost", "released", "uncertain", "held"];

/** Several grants as one: lost when one of them is lost, released all together. */
export class JointGrant implements MultiGrant {
  readonly parts: readonly HeldGrant[];
  readonly #abort = new AbortController();
  #release: Promise<void> | undefined;
  #revoke: AbortSignal | undefined;
  #events: GrantEvents | undefined;

  constructor(parts: readonly HeldGrant[]) {
    this.parts = parts;
    for (const { signal } of parts) {
      const tell = (): void => this.#abort.abort(signal.reason);
      if (signal.aborted) tell();
      else signal.addEventListener("abort", tell, { once: true });
    }
    // Each part looks at the clocks, and aborts this one where its lease is over.
    watchClocks(this.#abort.signal, () => {
      for (const part of parts) void part.signal;
    });
  }

  get name(): string {
    return this.parts.map(({ name }) => name).join(", ");
  }

  get fence(): number {
    return Math.max(...this.parts.map(({ fence }) => fence));
  }

  get fences(): ReadonlyMap<string, number> {
    return new Map(this.parts.map(({ name, fence }) => [name, fence]));
  }

  get acquiredAt(): Date {
    return new Date(Math.max(...this.parts.map(({ acquiredAt }) => acquiredAt.getTime())));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Somebody asks for one of them. */
  get revokeRequested(): AbortSignal {
    this.#revoke ??= AbortSignal.any(this.parts.map(({ revokeRequested }) => revokeRequested));
    return this.#revoke;
  }

  get state(): GrantState {
    const states = this.parts.map(({ state }) => state);
    return worstFirst.find((state) => states.includes(state)) ?? "held";
  }

  remainingMs(): number {
    return Math.min(...this.parts.map((part) => part.remainingMs()));
  }

  assertHeld(): void {
    for (const part of this.parts) part.assertHeld();
  }

  on(state: GrantState, listener: GrantListener): Unsubscribe {
    this.#events ??= this.#listen();
    return this.#events.add(state, listener);
  }

  release(): Promise<void> {
    this.#release ??= this.#giveBack();
    return this.#release;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => undefined);
  }

  #listen(): GrantEvents {
    const loss = (): LeaseLostError | undefined =>
      this.#abort.signal.reason instanceof LeaseLostError ? this.#abort.signal.reason : undefined;
    const events = new GrantEvents({ grant: this, loss, watch: (tell) => this.#watch(tell) });
    for (const part of this.parts) {
      for (const end of ["lost", "released"] as const) part.on(end, () => events.tell(end));
    }
    return events;
  }

  /** Uncertain as long as one of them is. */
  #watch(tell: (state: "held" | "uncertain") => void): Unsubscribe {
    let told: GrantState = this.state;
    const look = (): void => {
      const { state } = this;
      if (state === told || (state !== "held" && state !== "uncertain")) return;
      told = state;
      tell(state);
    };
    const unsubscribes = this.parts.flatMap((part) => [part.on("held", look), part.on("uncertain", look)]);
    return () => {
      for (const unsubscribe of unsubscribes) unsubscribe();
    };
  }

  async #giveBack(): Promise<void> {
    const results = await Promise.allSettled(this.parts.map((part: Grant) => part.release()));
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason as unknown] : [],
    );
    const loss = failures.find((failure) => failure instanceof LeaseLostError);
    if (failures.length > 0) throw loss ?? failures[0];
  }
}
