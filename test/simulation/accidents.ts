import { type Condition, conditions } from "./network.ts";
import type { Accident, AccidentKind } from "./plan.ts";
import type { Machine, World } from "./world.ts";

/** Lets an accident happen at its time, and end. */
export function strike(world: World, accident: Accident): void {
  world.time.after(accident.atMs, () => {
    if (world.isCalm) return;
    const machine = world.machines[accident.client] as Machine;
    world.record(undefined, { what: "accident", kind: accident.kind, place: accident.place });
    const end = begin(world, machine, accident);
    // Nothing goes wrong beyond the time of chaos.
    const forMs = Math.min(accident.durationMs, world.plan.chaosMs - accident.atMs);
    if (end !== undefined) world.time.after(forMs, end);
  });
}

type Begin = (world: World, machine: Machine, accident: Accident) => (() => void) | undefined;

const beginnings: Readonly<Record<Exclude<AccidentKind, Condition>, Begin>> = {
  stop: (world, machine, { place }) => stop(world, machine, place, "resumed"),
  crash(_world, machine) {
    crash(machine);
    return undefined;
  },
  "crash and restart"(world, machine) {
    crash(machine);
    return () => {
      if (machine.client.process.isCrashed) world.restart(machine);
    };
  },
  "close and restart"(world, machine) {
    const { client } = machine;
    client.process.receive(() => {
      if (!client.isOpen) return;
      const restart = (): void => {
        if (machine.client === client) world.restart(machine);
      };
      client.close().then(restart, restart);
    });
    return undefined;
  },
  "wall clock forward"(_world, { clock }, { durationMs }) {
    clock.jumpWall(durationMs);
    return undefined;
  },
  "wall clock back"(_world, { clock }, { durationMs }) {
    clock.jumpWall(-durationMs);
    return undefined;
  },
  "machine sleep"(world, machine, { place }) {
    const { clock } = machine;
    clock.fallAsleep();
    const resume = stop(world, machine, place, "woken");
    return () => {
      clock.wakeUp();
      resume?.();
    };
  },
  wipe(world) {
    world.store.wipe(world.time.nowMs);
    return () => world.store.create();
  },
  rollback(world, _machine, { durationMs }) {
    const { nowMs } = world.time;
    world.store.rollBack(nowMs - durationMs, nowMs, () => true);
    return undefined;
  },
  "rollback of some records"(world, _machine, { place, durationMs }) {
    const { nowMs } = world.time;
    world.store.rollBack(nowMs - durationMs, nowMs, (key) => world.choices.likely(`${place}.${key}`, 0.5));
    return undefined;
  },
};

function begin(world: World, machine: Machine, accident: Accident): (() => void) | undefined {
  const { kind, place } = accident;
  if (!isCondition(kind)) return beginnings[kind](world, machine, accident);
  const strikesAll = kind === "store away" || world.choices.likely(`${place}.all`, 0.3);
  return world.network.begin(kind, strikesAll ? undefined : machine.plan.name);
}

function isCondition(kind: AccidentKind): kind is Condition {
  return (conditions as readonly string[]).includes(kind);
}

function stop(
  world: World,
  machine: Machine,
  place: string,
  after: "resumed" | "woken",
): (() => void) | undefined {
  const { process } = machine.client;
  if (process.isCrashed) return undefined;
  process.stop();
  world.record(process, { what: "process", state: "stopped" });
  const first = world.choices.likely(`${place}.timers first`, 0.5) ? "timer" : "answer";
  return () => {
    process.resume(first);
    if (process.isRunning) world.record(process, { what: "process", state: after });
  };
}

function crash({ client }: Machine): void {
  if (client.process.isCrashed) return;
  client.record({ what: "process", state: "crashed" });
  client.process.crash();
}
