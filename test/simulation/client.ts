import type { Backend } from "../../src/core/backend.ts";
import { LeaseholdError } from "../../src/core/errors.ts";
import { sleep } from "../../src/core/runtime.ts";
import { type Coordinator, createCoordinator, type Grant, type MultiGrant } from "../../src/index.ts";
import type { Choices } from "../../src/testing/simulation/choices.ts";
import type { SimulatedProcess } from "../../src/testing/simulation/simulated-process.ts";
import type { Happening } from "./history.ts";
import { type ClientPlan, driftTolerance, type Use } from "./plan.ts";
import { type Share, shareOf } from "./share.ts";

/** What a client needs from its world. */
export interface ClientHost {
  readonly choices: Choices;
  readonly names: readonly string[];
  readonly uses: ReadonlyMap<string, Use>;
  /** Whether things go wrong no more, and everybody should come to an end. */
  readonly isCalm: boolean;
  record(by: SimulatedProcess, happening: Happening): void;
  nextCall(): number;
  /** Sends a write to a resource that checks fences; it arrives some time later. */
  writeToResource(
    by: SimulatedProcess,
    grant: { readonly call: number; readonly name: string; readonly fence: number },
    place: string,
  ): void;
}

/** One life of one client: a process with a coordinator, as the workloads use it. Writes down all it asks and gets. */
export class Client {
  readonly plan: ClientPlan;
  readonly process: SimulatedProcess;
  readonly backend: Backend;
  readonly coordinator: Coordinator;
  readonly #host: ClientHost;
  #isClosing = false;

  constructor(host: ClientHost, plan: ClientPlan, process: SimulatedProcess, backend: Backend) {
    this.#host = host;
    this.plan = plan;
    this.process = process;
    this.backend = backend;
    const { runtime } = process;
    this.coordinator = createCoordinator(backend, { ttl: plan.ttlMs, runtime, driftTolerance });
    this.record({ what: "process", state: "started" });
  }

  get choices(): Choices {
    return this.#host.choices;
  }

  get ttlMs(): number {
    return this.plan.ttlMs;
  }

  /** Whether it goes on after what it does now. */
  get isOpen(): boolean {
    return !this.#isClosing && !this.process.isCrashed;
  }

  /** Whether to begin nothing more. */
  get isEnding(): boolean {
    return this.#isClosing || this.#host.isCalm;
  }

  record(happening: Happening): void {
    this.#host.record(this.process, happening);
  }

  nextCall(): number {
    return this.#host.nextCall();
  }

  /** The names that are used as locks. */
  get lockNames(): readonly string[] {
    const { names, uses } = this.#host;
    return names.filter((name) => uses.get(name)?.kind === "lock");
  }

  nameAt(place: string): string {
    return this.choices.oneOf(`${place}.name`, this.#host.names);
  }

  sleep(delayMs: number): Promise<void> {
    return sleep(this.process.runtime, delayMs);
  }

  /** Asks for a share, and answers the grant, or nothing if there was none. */
  async ask(
    name: string,
    place: string | undefined,
    how: "acquire" | "try",
    request: (share: Share) => Promise<Grant | null>,
    waitMs = Number.POSITIVE_INFINITY,
  ): Promise<TrackedGrant | undefined> {
    const use = this.#host.uses.get(name) ?? { kind: "lock", capacity: 1 };
    const share = shareOf(this, name, use, place);
    const call = this.nextCall();
    this.record({ what: "asked", call, name, how, waitMs });
    try {
      const grant = await request(share);
      if (grant !== null) return new TrackedGrant(this, call, grant, share.weight);
      this.record({ what: "not granted", call, name, code: "NONE" });
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
      this.record({ what: "not granted", call, name, code: error.code });
    }
    return undefined;
  }

  /** Asks for several locks at once, and answers a grant for each, or none. */
  async askForAll(
    names: readonly string[],
    request: () => Promise<MultiGrant | null>,
    waitMs: number,
  ): Promise<readonly TrackedGrant[]> {
    const calls = names.map((name) => {
      const call = this.nextCall();
      this.record({ what: "asked", call, name, how: "acquire several", waitMs });
      return { call, name };
    });
    let code = "NONE";
    try {
      const grant = await request();
      if (grant !== null) {
        return calls.map(({ call, name }) => new TrackedGrant(this, call, partOf(grant, name), 1));
      }
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
      code = error.code;
    }
    for (const { call, name } of calls) this.record({ what: "not granted", call, name, code });
    return [];
  }

  /** Asks whoever holds a name to give it back. */
  async askToGiveBack(name: string): Promise<void> {
    const { kind } = this.#host.uses.get(name) ?? { kind: "lock" };
    try {
      await this.coordinator.requestRevoke(name, { kind, reason: "a test asks" });
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
    }
  }

  writeToResource(grant: TrackedGrant, place: string): void {
    this.#host.writeToResource(this.process, grant, place);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.record({ what: "process", state: "closing" });
    await this.coordinator.close();
    this.record({ what: "process", state: "closed" });
  }
}

/** A grant whose holder obeys its signal, and writes down what it does under it. */
export class TrackedGrant {
  readonly call: number;
  readonly name: string;
  readonly #client: Client;
  readonly #grant: Grant;
  #isOver = false;

  constructor(client: Client, call: number, grant: Grant, weight: number) {
    this.call = call;
    this.name = grant.name;
    this.#client = client;
    this.#grant = grant;
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
    return this.#grant.fence;
  }

  /** What is held, where it is a grant that may change how it is held. */
  get grant(): Grant {
    return this.#grant;
  }

  /** Has another weight from now on. */
  reweigh(weight: number): void {
    const { call, name, fence } = this;
    if (!this.#isOver) this.#client.record({ what: "reweighed", call, name, fence, weight });
  }

  /** Does something that only a holder may do, unless the lease is lost. */
  act(): void {
    if (this.#isOver || this.#grant.signal.aborted || this.#isOver) return;
    this.#client.record({ what: "acted", call: this.call, name: this.name, fence: this.fence });
  }

  /** Works for a while, in steps, as long as the lease lasts and the world wants it. */
  async work(durationMs: number, place: string): Promise<void> {
    const stepMs = Math.max(1, this.#client.ttlMs / 12);
    for (let remainingMs = durationMs; remainingMs > 0 && !this.#isOver; remainingMs -= stepMs) {
      if (this.#client.isEnding) break;
      if (this.#grant.revokeRequested.aborted) {
        this.#client.record({ what: "asked back", call: this.call, name: this.name });
        break;
      }
      await this.#client.sleep(Math.min(stepMs, remainingMs));
      this.act();
      const write = `${place}.write${Math.ceil(remainingMs)}`;
      if (this.#client.choices.likely(write, 0.3)) this.#client.writeToResource(this, write);
    }
  }

  /** Stops, and gives it back. */
  async release(): Promise<void> {
    const { call, name } = this;
    this.#finish();
    this.#client.record({ what: "releasing", call, name });
    let code = "OK";
    try {
      await this.#grant.release();
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
      code = error.code;
    }
    this.#client.record({ what: "released", call, name, code });
  }

  #onLost(): void {
    const { call, name } = this;
    const reason = (this.#grant.signal.reason as LeaseholdError).code;
    this.#client.record({ what: "lost", call, name, reason });
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client.record({ what: "finished", call: this.call, name: this.name });
  }
}

/** One of several locks that are held as one. Released with the others. */
function partOf(grant: MultiGrant, name: string): Grant {
  const fence = grant.fences.get(name) ?? Number.NaN;
  return Object.create(grant, {
    name: { value: name },
    fence: { value: fence },
    signal: { get: () => grant.signal },
    revokeRequested: { get: () => grant.revokeRequested },
    release: { value: () => grant.release() },
  }) as Grant;
}
