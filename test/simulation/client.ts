import type { Backend } from "../../src/core/backend.ts";
import { LeaseholdError } from "../../src/core/errors.ts";
import { sleep } from "../../src/core/runtime.ts";
import { type Coordinator, createCoordinator, type Grant, type MultiGrant } from "../../src/index.ts";
import type { Choices } from "../../src/testing/simulation/choices.ts";
import type { SimulatedProcess } from "../../src/testing/simulation/simulated-process.ts";
import type { Happening } from "./history.ts";
import { type ClientPlan, driftTolerance, type Use } from "./plan.ts";
import { type Share, shareOf } from "./share.ts";
import type { Stage } from "./stage.ts";
import { TrackedGrant, type TrackedHold } from "./tracked-grant.ts";

/** What a client needs from its world. */
export interface ClientHost {
  readonly plan: { readonly ttlMaxMs: number };
  readonly choices: Choices;
  readonly names: readonly string[];
  readonly uses: ReadonlyMap<string, Use>;
  /** What there is besides locks. */
  readonly stage: Stage;
  /** The clients of the world, by name. */
  readonly clientNames: readonly string[];
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

  /** As what it stands for election: every life of a machine is the same candidate. */
  get identity(): string {
    return this.plan.name;
  }

  /** Whether an earlier process of its machine came before it. */
  get isLaterLife(): boolean {
    return this.process.name !== this.plan.name;
  }

  get stage(): Stage {
    return this.#host.stage;
  }

  get clientNames(): readonly string[] {
    return this.#host.clientNames;
  }

  get choices(): Choices {
    return this.#host.choices;
  }

  get ttlMs(): number {
    return this.plan.ttlMs;
  }

  /** The longest TTL of the world. */
  get ttlMaxMs(): number {
    return this.#host.plan.ttlMaxMs;
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

  /** What a name is used as. */
  kindOf(name: string): Use["kind"] {
    return this.#host.uses.get(name)?.kind ?? "lock";
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
    return this.askFor(name, how, { ...share, request: () => request(share) }, waitMs);
  }

  /** Asks for something of a weight, and answers the grant, or nothing if there was none. */
  async askFor(
    name: string,
    how: "acquire" | "try",
    asked: Pick<Share, "weight" | "resumes"> & { readonly request: () => Promise<Grant | null> },
    waitMs: number,
  ): Promise<TrackedGrant | undefined> {
    const call = this.nextCall();
    const resumes = how === "acquire" && asked.resumes && { resumes: asked.resumes };
    this.record({ what: "asked", call, name, how, waitMs, ...resumes });
    try {
      const grant = await asked.request();
      if (grant !== null) return new TrackedGrant(this, call, grant, asked.weight);
      this.record({ what: "not granted", call, name, code: "NONE" });
    } catch (error) {
      this.record({ what: "not granted", call, name, code: codeOf(error) });
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
      code = codeOf(error);
    }
    for (const { call, name } of calls) this.record({ what: "not granted", call, name, code });
    return [];
  }

  /** Asks whoever holds a name to give it back. */
  async askToGiveBack(name: string): Promise<void> {
    try {
      await this.coordinator.requestRevoke(name, { kind: this.kindOf(name), reason: "a test asks" });
    } catch (error) {
      codeOf(error);
    }
  }

  writeToResource(grant: TrackedHold, place: string): void {
    this.#host.writeToResource(this.process, grant, place);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.record({ what: "process", state: "closing" });
    await this.coordinator.close();
    this.record({ what: "process", state: "closed" });
  }
}

/** The code of an error of the library; any other is thrown on. */
export function codeOf(error: unknown): string {
  if (error instanceof LeaseholdError) return error.code;
  throw error;
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
