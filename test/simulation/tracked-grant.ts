import type { LeaseholdError } from "../../src/core/errors.ts";
import type { Grant, Leadership } from "../../src/index.ts";
import { type Client, codeOf } from "./client.ts";

/** What somebody holds, whatever kind it is of. */
export interface Held {
  readonly name: string;
  readonly fence: number;
  readonly signal: AbortSignal;
  readonly revokeRequested?: AbortSignal;
}

/** Something held by somebody who obeys its signal, and writes down what it does under it. */
export class TrackedHold<H extends Held = Held> {
  readonly call: number;
  readonly name: string;
  readonly client: Client;
  /** What is held, where it is a grant that may change how it is held. */
  readonly grant: H;
  #isOver = false;

  constructor(client: Client, call: number, grant: H, weight: number) {
    this.call = call;
    this.name = grant.name;
    this.client = client;
    this.grant = grant;
    client.record({ what: "granted", call, name: grant.name, fence: grant.fence, weight });
    const { signal } = grant;
    this.act();
    if (signal.aborted) this.#onLost();
    else signal.addEventListener("abort", () => this.#onLost(), { once: true });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get fence(): number {
    return this.grant.fence;
  }

  /** Has another weight from now on. */
  reweigh(weight: number): void {
    const { call, name, fence } = this;
    if (!this.#isOver) this.client.record({ what: "reweighed", call, name, fence, weight });
  }

  /** Does something that only a holder may do, unless the lease is lost. */
  act(): void {
    if (this.#isOver || this.grant.signal.aborted || this.#isOver) return;
    this.client.record({ what: "acted", call: this.call, name: this.name, fence: this.fence });
  }

  /** Works for a while, in steps, as long as the lease lasts and the world wants it. */
  async work(durationMs: number, place: string): Promise<void> {
    const stepMs = Math.max(1, this.client.ttlMs / 12);
    for (let remainingMs = durationMs; remainingMs > 0 && !this.#isOver; remainingMs -= stepMs) {
      if (this.client.isEnding) break;
      if (this.grant.revokeRequested?.aborted) {
        this.client.record({ what: "asked back", call: this.call, name: this.name });
        break;
      }
      await this.client.sleep(Math.min(stepMs, remainingMs));
      this.act();
      const write = `${place}.write${Math.ceil(remainingMs)}`;
      if (this.client.choices.likely(write, 0.3)) this.client.writeToResource(this, write);
    }
  }

  /** Does nothing more under it. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.client.record({ what: "finished", call: this.call, name: this.name });
  }

  #onLost(): void {
    const { call, name } = this;
    const reason = (this.grant.signal.reason as LeaseholdError).code;
    this.client.record({ what: "lost", call, name, reason });
    this.finish();
  }
}

/** A grant, with what its holder does in the end. */
export class TrackedGrant extends TrackedHold<Grant> {
  /** Stops, and gives it back. */
  async release(): Promise<void> {
    await this.#giveBack(() => this.grant.release());
  }

  /** Stops leading, and lets the candidate of this identity lead next. */
  async handOver(leadership: Leadership, to: string): Promise<void> {
    const { call, name, fence } = this;
    this.finish();
    this.client.record({ what: "handing over", call, name, fence, to });
    await this.#giveBack(async () => {
      const outcome = await leadership.resign({ to });
      this.client.record({ what: "handed over", call, name, outcome });
    });
  }

  async #giveBack(give: () => Promise<void>): Promise<void> {
    const { call, name } = this;
    this.finish();
    this.client.record({ what: "releasing", call, name });
    let code = "OK";
    try {
      await give();
    } catch (error) {
      code = codeOf(error);
    }
    this.client.record({ what: "released", call, name, code });
  }
}
