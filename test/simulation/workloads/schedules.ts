import type { SlotGrant } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import type { Theme } from "../stage.ts";
import { TrackedGrant } from "../tracked-grant.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["schedules"];

/** What a slot's work throws when a test wants it to fail. */
class WorkError extends Error {
  override readonly name = "WorkError";
}

/** A timetable with a slot for every so many milliseconds. */
function dateOf(slot: number): Date {
  return new Date(Date.UTC(2026, 0, 1) + slot * 3_600_000);
}

async function begin(
  client: Client,
  place: string,
  slot: number | undefined,
  wait: number | undefined,
): Promise<string> {
  const { choices, coordinator, stage, ttlMs } = client;
  const { attempts, atLeastTtls } = stage;
  const call = client.nextCall();
  const name = stage.schedule;
  const atMostMs = stage.atMostTtls && Math.ceil(stage.atMostTtls * ttlMs);
  const schedule = coordinator.schedule(name, {
    ...{ attempts, atLeast: atLeastTtls * ttlMs },
    ...(atMostMs !== undefined && { atMost: atMostMs }),
  });
  const work = async (grant: SlotGrant): Promise<void> => {
    const limit = atMostMs === undefined ? {} : { atMostMs };
    client.record({
      what: "slot begun",
      call,
      name,
      fence: grant.fence,
      attempt: grant.attempt,
      ...(slot !== undefined && { slot }),
      ...limit,
    });
    const tracked = new TrackedGrant(client, call, grant, 1);
    await tracked.work(choices.magnitude(`${place}.work`, 0.01, 2) * ttlMs, place);
    tracked.finish();
    if (choices.likely(`${place}.fails`, 0.15)) throw new WorkError("the work of a slot failed");
  };
  let outcome: string;
  try {
    const told = await schedule.run(
      slot === undefined ? null : dateOf(slot),
      work,
      wait === undefined ? {} : { wait },
    );
    outcome = told.ran ? "ran" : told.reason;
  } catch (error) {
    outcome = error instanceof WorkError ? "failed" : codeOf(error);
  }
  client.record({ what: "slot answered", call, name, outcome });
  return outcome;
}

/** By its own clock, so that some come early and some late. */
function slotNow({ process, choices, ttlMs }: Client, place: string): number {
  const slot = Math.floor(process.runtime.monotonicMs() / (1.5 * ttlMs));
  return Math.max(0, slot + choices.oneOf(`${place}.slot`, [0, 0, 0, -1, 1]));
}

const runsSlot: Workload = {
  name: "runs a slot of a schedule",
  themes,
  async run(client, place) {
    // As long as it takes is too long for a world that comes to an end.
    const wait = client.choices.magnitude(`${place}.wait`, 0.1, 3) * client.ttlMs;
    const waits = client.choices.likely(`${place}.waits`, 0.4) || client.stage.attempts > 1;
    await begin(client, place, slotNow(client, place), waits ? Math.ceil(wait) : undefined);
  },
};

const runsNow: Workload = {
  name: "runs a schedule without a slot",
  themes,
  async run(client, place) {
    const { stage, choices, ttlMs } = client;
    const wait = Math.ceil(choices.magnitude(`${place}.wait`, 0.1, 1) * ttlMs);
    const slot = stage.atLeastTtls > 0 ? undefined : slotNow(client, place);
    await begin(client, place, slot, wait);
  },
};

/** What clients do with schedules. */
export const scheduleWorkloads: readonly Workload[] = [runsSlot, runsSlot, runsSlot, runsNow];

const farSlot = 1_000_000;

/** Everybody wants the next slot, and before long somebody has run it. */
export async function runNextSlot({ clients, phase }: Finale): Promise<void> {
  let hasRun = false;
  const tries = clients.map(async (client, index) => {
    for (let attempt = 0; !hasRun; attempt += 1) {
      const outcome = await begin(client, `finale${index}.${attempt}`, farSlot, 0);
      hasRun ||= outcome === "ran" || outcome === "failed";
      if (!hasRun) await client.sleep(client.ttlMs / 8);
    }
  });
  await phase("somebody runs the next slot", tries);
}
