import type { StoredRecord } from "../../src/core/backend.ts";
import { Choices } from "../../src/testing/simulation/choices.ts";
import { SimulatedLink } from "../../src/testing/simulation/simulated-link.ts";
import { MachineClock, SimulatedProcess } from "../../src/testing/simulation/simulated-process.ts";
import { SimulatedStore, type StoreEvent } from "../../src/testing/simulation/simulated-store.ts";
import { VirtualTime } from "../../src/testing/simulation/virtual-time.ts";
import { strike } from "./accidents.ts";
import { Client, type ClientHost } from "./client.ts";
import {
  type Decoded,
  decode,
  type Happening,
  type History,
  type HistoryEvent,
  type Snapshot,
} from "./history.ts";
import { DrawnNetwork } from "./network.ts";
import { type ClientPlan, drawPlan, type Plan } from "./plan.ts";
import { type Finale, finaleOf } from "./workloads/finale.ts";
import { mixOf, type Workload } from "./workloads/workload.ts";

/** One machine of the world, and whoever runs on it now. */
export interface Machine {
  readonly plan: ClientPlan;
  readonly clock: MachineClock;
  client: Client;
  link: SimulatedLink;
}

/** How long everybody gets, in TTLs, once nothing goes wrong any more. See docs/reliability.md. */
export const progressTtls = 8;

const janitor: ClientPlan = {
  name: "janitor",
  ttlMs: 0,
  clock: { rate: 1, wallOffsetMs: 0, isWallKeptRight: true },
  operations: 0,
};

/** A world made from a seed: clients that use the real library, on virtual time, over a store with faults. */
export class World implements ClientHost {
  readonly plan: Plan;
  readonly choices: Choices;
  readonly time = new VirtualTime();
  readonly store: SimulatedStore;
  readonly network: DrawnNetwork;
  readonly machines: readonly Machine[];
  isCalm = false;
  readonly #events: HistoryEvent[] = [];
  readonly #workloads: readonly Workload[];
  readonly #links = new Set<SimulatedLink>();
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #working = new Map<Client, Promise<void>>();
  readonly #operations = new Map<string, number>();
  readonly #lives = new Map<string, number>();
  readonly #largestFences = new Map<string, number>();
  #calls = 0;

  constructor(choices: Choices, workloads: readonly Workload[]) {
    this.choices = choices;
    this.plan = drawPlan(choices);
    this.#workloads = mixOf(this.plan.stage.theme, workloads);
    this.store = new SimulatedStore((event) => this.#onStoreEvent(event));
    this.network = new DrawnNetwork(this.plan, choices, this.time, (by, happening) =>
      this.record(by, happening),
    );
    this.machines = this.plan.clients.map((plan) => this.#machine(plan));
  }

  get names(): readonly string[] {
    return this.plan.names;
  }

  get uses(): Plan["uses"] {
    return this.plan.uses;
  }

  get stage(): Plan["stage"] {
    return this.plan.stage;
  }

  get clientNames(): readonly string[] {
    return this.plan.clients.map(({ name }) => name);
  }

  record(by: SimulatedProcess | undefined, happening: Happening): void {
    const localMs = by?.clock.monotonicMs() ?? 0;
    this.#events.push({ atMs: this.time.nowMs, by: by?.name ?? "world", localMs, ...happening });
  }

  nextCall(): number {
    this.#calls += 1;
    return this.#calls;
  }

  writeToResource(
    by: SimulatedProcess,
    { call, name, fence }: { readonly call: number; readonly name: string; readonly fence: number },
    place: string,
  ): void {
    const delayMs = this.choices.magnitude(`${place}.delay${call}`, 0.001, 2) * this.plan.ttlMaxMs;
    this.time.after(delayMs, () => {
      const accepted = fence >= (this.#largestFences.get(name) ?? 0);
      if (accepted) this.#largestFences.set(name, fence);
      this.record(by, { what: "written", call, name, fence, accepted });
    });
  }

  /** Whom a nudge concerns, only its own process knows. */
  wake(clientId: string, hint: string): void {
    for (const link of this.#links) link.nudge(clientId, hint);
  }

  /** Begins another life on a machine, after a crash or a close. One that sleeps stays as it is. */
  restart(machine: Machine): void {
    if (machine.clock.isAsleep) return;
    Object.assign(machine, this.#life(machine.plan, machine.clock));
    this.#start(machine);
  }

  /** Runs it from beginning to end. */
  async run(): Promise<History> {
    const { plan, time } = this;
    for (const accident of plan.accidents) strike(this, accident);
    for (const machine of this.machines) this.#start(machine);
    await time.pass(plan.chaosMs, () => this.#isIdle());
    await time.pass(plan.chaosMs);
    this.isCalm = true;
    this.network.calm();
    this.record(undefined, { what: "calm" });
    await this.#phase("everybody finishes", () => this.#isIdle());
    const cleaner = this.#machine({ ...janitor, ttlMs: plan.ttlMaxMs });
    const clients = [...this.machines.map(({ client }) => client), cleaner.client].filter(
      ({ isOpen }) => isOpen,
    );
    for (const name of plan.names) {
      await this.#phase(
        `everybody gets ${name} once more`,
        clients.map((client) => once(client, name)),
      );
    }
    await finaleOf(plan.stage.theme)?.({
      clients,
      stage: plan.stage,
      phase: (name, over) => this.#phase(name, over),
    });
    await time.pass(time.nowMs + 2 * plan.ttlMaxMs);
    await this.#phase("who tries gets what is free", [triesEach(cleaner.client, plan.names)]);
    const quiet = this.#snapshot();
    await this.#phase(
      "everybody leaves",
      clients.map((client) => client.close()),
    );
    await time.pass(time.nowMs + plan.ttlMaxMs);
    return {
      ...{ plan, quiet, final: this.#snapshot(), events: this.#events },
      ...{ taken: this.choices.taken, steps: time.events },
    };
  }

  async #phase(name: string, over: Parameters<Finale["phase"]>[1]): Promise<void> {
    const isOver = typeof over === "function" ? over : this.#started(over);
    const untilMs = this.time.nowMs + progressTtls * this.plan.ttlMaxMs;
    const inTime = await this.time.pass(untilMs, isOver);
    this.record(undefined, { what: "phase", name, inTime });
  }

  /** Whether a list of promises is settled, as a question. */
  #started(promises: readonly Promise<unknown>[]): () => boolean {
    let open = promises.length;
    for (const promise of promises) {
      promise
        .catch((error: unknown) => this.record(undefined, { what: "uncaught", message: String(error) }))
        .finally(() => {
          open -= 1;
        });
    }
    return () => open === 0;
  }

  #machine(plan: ClientPlan): Machine {
    const clock = new MachineClock(this.time, plan.clock);
    return { plan, clock, ...this.#life(plan, clock) };
  }

  #life(plan: ClientPlan, clock: MachineClock): { readonly client: Client; readonly link: SimulatedLink } {
    const life = (this.#lives.get(plan.name) ?? 0) + 1;
    this.#lives.set(plan.name, life);
    const name = life === 1 ? plan.name : `${plan.name}.${life}`;
    const process = new SimulatedProcess(this.time, name, clock, this.choices.stream(name));
    const { time, store, network } = this;
    const { capabilities, conflictsTellCurrent, hintsTellRecord, storeClockGrainMs } = this.plan;
    const wake = (clientId: string, hint: string): void => this.wake(clientId, hint);
    const link = new SimulatedLink(
      {
        ...{ time, store, network, wake },
        ...{ capabilities, conflictsTellCurrent, hintsTellRecord, storeClockGrainMs },
      },
      process,
    );
    this.#links.add(link);
    this.#processes.set(name, process);
    return { client: new Client(this, plan, process, link), link };
  }

  #start({ client }: Machine): void {
    const work = this.#work(client)
      .catch((error: unknown) => this.record(client.process, { what: "uncaught", message: String(error) }))
      .finally(() => this.#working.delete(client));
    this.#working.set(client, work);
  }

  async #work(client: Client): Promise<void> {
    const { choices } = this;
    const { name, operations, ttlMs } = client.plan;
    for (;;) {
      const number = (this.#operations.get(name) ?? 0) + 1;
      if (number > operations || client.isEnding) return;
      this.#operations.set(name, number);
      const place = `${name}.operation${number}`;
      if (!choices.happens(place, 0.95)) continue;
      await client.sleep(choices.magnitude(`${place}.think`, 0.001, 1) * ttlMs);
      if (client.isEnding) return;
      await choices.oneOf(`${place}.workload`, this.#workloads).run(client, place);
    }
  }

  /** Whether nobody who lives has anything left to do. */
  #isIdle(): boolean {
    for (const client of this.#working.keys()) if (!client.process.isCrashed) return false;
    return true;
  }

  #snapshot(): Snapshot {
    const found = new Map<string, Decoded>();
    for (const key of this.store.keys) {
      const decoded = decode(this.store.peek(key));
      if (decoded !== null) found.set(key, decoded);
    }
    return found;
  }

  #onStoreEvent({ what: event, by, changes }: StoreEvent): void {
    const decoded = changes.map(({ key, before, after }) => ({
      key,
      before: read(before),
      after: read(after),
    }));
    this.record(this.#processes.get(by), { what: "store", event, changes: decoded });
    if (event !== "commit") return;
    for (const { key, after } of changes) for (const link of this.#links) link.hear(key, after);
  }
}

const decodedRecords = new WeakMap<StoredRecord, Decoded>();

/** Each record is read once. */
function read(record: StoredRecord | null): Decoded | null {
  if (record === null) return null;
  const known = decodedRecords.get(record) ?? decode(record);
  if (known !== null) decodedRecords.set(record, known);
  return known;
}

async function once(client: Client, name: string): Promise<void> {
  const grant = await client.ask(name, undefined, "acquire", (share) => share.acquire());
  grant?.act();
  await grant?.release();
}

async function triesEach(client: Client, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const grant = await client.ask(name, undefined, "try", (share) => share.tryAcquire());
    await grant?.release();
  }
}

/** Runs the world of a seed. `only`: of all that goes wrong in it, just this. */
export function simulate(
  seed: number,
  workloads: readonly Workload[],
  only?: Iterable<string>,
): Promise<History> {
  return new World(new Choices(seed, only), workloads).run();
}
