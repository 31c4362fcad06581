import type { OwnedPartition } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import type { Theme } from "../stage.ts";
import { TrackedHold } from "../tracked-grant.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["groups"];

/** The work of one partition: on and on, until its signal fires. */
async function own(client: Client, { partition, ...owned }: OwnedPartition, place: string): Promise<void> {
  const name = `${client.stage.group}/${partition}`;
  const hold = new TrackedHold(client, client.nextCall(), { ...owned, name }, 1);
  const { choices, ttlMs } = client;
  await hold.work(choices.between(`${place}.work${partition}`, 0, 3) * ttlMs, `${place}.${partition}`);
  // Work that ends by itself keeps its partition.
  if (choices.likely(`${place}.ends${partition}`, 0.2)) return;
  const stepMs = ttlMs / 6;
  while (!hold.isOver && !client.process.isCrashed) {
    await client.sleep(stepMs);
    hold.act();
  }
}

const takesPart: Workload = {
  name: "takes its share of partitions",
  themes,
  async run(client, place) {
    const { choices, coordinator, stage, ttlMs } = client;
    const stop = new AbortController();
    const work = (owned: OwnedPartition): Promise<void> => own(client, owned, `${place}.${owned.fence}`);
    const identity = choices.likely(`${place}.named`, 0.5) && { identity: client.identity };
    const running = coordinator
      .group(stage.group)
      .partitions(stage.partitions)
      .run(work, { signal: stop.signal, ...identity });
    running.catch(() => stop.abort());
    const stepMs = ttlMs / 6;
    const durationMs = choices.between(`${place}.stay`, 0.3, 3) * ttlMs;
    for (let restMs = durationMs; restMs > 0 && !client.isEnding && !stop.signal.aborted; restMs -= stepMs) {
      await client.sleep(stepMs);
    }
    stop.abort();
    await running.catch(codeOf);
  },
};

const joins: Workload = {
  name: "is a member of a group for a while",
  themes,
  async run(client, place) {
    const { choices, coordinator, stage, ttlMs } = client;
    const wait = Math.ceil(choices.magnitude(`${place}.wait`, 0.1, 3) * ttlMs);
    const asked = { weight: 1, request: () => coordinator.group(stage.group).join({ wait }) };
    const grant = await client.askFor(stage.group, "acquire", asked, wait);
    await grant?.work(choices.between(`${place}.stay`, 0, 2) * ttlMs, place);
    await grant?.release();
  },
};

const looks: Workload = {
  name: "looks at who is in a group",
  themes,
  async run(client) {
    await client.coordinator.group(client.stage.group).members().catch(codeOf);
  },
};

/** What clients do with groups. */
export const groupWorkloads: readonly Workload[] = [takesPart, takesPart, takesPart, joins, looks];

/** Everybody takes part, and before long all have their share and nobody else is in. One leaves, and it is so again. */
export async function shareEvenly({ clients, stage, phase }: Finale): Promise<void> {
  const owned = new Map<Client, Set<number>>();
  const stops = new Map<Client, AbortController>();
  const running = clients.map(async (client) => {
    const partitions = new Set<number>();
    const stop = new AbortController();
    owned.set(client, partitions);
    stops.set(client, stop);
    const work = async ({ partition, signal, ...grant }: OwnedPartition): Promise<void> => {
      const name = `${stage.group}/${partition}`;
      const hold = new TrackedHold(client, client.nextCall(), { ...grant, signal, name }, 1);
      partitions.add(partition);
      if (!signal.aborted) await new Promise((end) => signal.addEventListener("abort", end, { once: true }));
      partitions.delete(partition);
      hold.finish();
    };
    const options = { signal: stop.signal, identity: client.identity };
    await client.coordinator.group(stage.group).partitions(stage.partitions).run(work, options);
  });
  const isEven = (those: readonly Client[]): boolean => {
    const shares = those.map((client) => owned.get(client)?.size ?? 0);
    const sum = shares.reduce((total, share) => total + share, 0);
    return sum === stage.partitions && Math.max(...shares) - Math.min(...shares) <= 1;
  };
  await phase("partitions are shared evenly", () => isEven(clients));
  const [first, ...others] = clients;
  if (first !== undefined && others.length > 0) {
    stops.get(first)?.abort();
    await phase("partitions are shared evenly by those who stay", () => isEven(others));
    await phase("nobody else is in the group", [
      waitForMembers(others[0] as Client, stage.group, others.length),
    ]);
  }
  for (const stop of stops.values()) stop.abort();
  await phase("everybody gives its partitions back", running);
}

async function waitForMembers(client: Client, group: string, count: number): Promise<void> {
  while ((await client.coordinator.group(group).members()).length !== count)
    await client.sleep(client.ttlMs / 8);
}
