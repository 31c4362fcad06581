import type { BarrierStay } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import type { Theme } from "../stage.ts";
import type { TrackedGrant } from "../tracked-grant.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["barriers"];

/** Enters with the others, works, and leaves with them. Answers whether it came through. */
async function passBarrier(client: Client, place: string, wait: number): Promise<boolean> {
  const { coordinator, stage, choices, ttlMs } = client;
  const name = stage.barrier;
  const barrier = coordinator.barrier(name, stage.parties);
  let stay: BarrierStay | undefined;
  const enter = async (): Promise<BarrierStay> => {
    stay = await barrier.enter({ wait });
    return stay;
  };
  const tracked = await client.askFor(name, "acquire", { weight: 1, request: enter }, wait);
  if (tracked === undefined || stay === undefined) return false;
  const { call } = tracked;
  const { round } = stay;
  client.record({ what: "barrier entered", call, name, round, fence: stay.fence });
  await tracked.work(choices.magnitude(`${place}.work`, 0.01, 1) * ttlMs, place);
  if (choices.likely(`${place}.goes`, 0.15)) {
    await tracked.release();
    return true;
  }
  return leaveBarrier(client, tracked, stay, wait);
}

async function leaveBarrier(
  client: Client,
  tracked: TrackedGrant,
  stay: BarrierStay,
  wait: number,
): Promise<boolean> {
  const { call, name } = tracked;
  tracked.finish();
  client.record({ what: "releasing", call, name });
  try {
    await stay.leave({ wait });
    client.record({ what: "barrier left", call, name, round: stay.round });
    client.record({ what: "released", call, name, code: "OK" });
    return true;
  } catch (error) {
    // Who lost its stay, and who did not wait for the others until they had left.
    if (codeOf(error) === "LEASE_LOST") client.record({ what: "released", call, name, code: "LEASE_LOST" });
    return false;
  }
}

const patienceOf = ({ choices, ttlMs }: Client, place: string): number =>
  Math.ceil(choices.magnitude(`${place}.wait`, 0.1, 4) * ttlMs);

const entersBarrier: Workload = {
  name: "enters and leaves a barrier",
  themes,
  async run(client, place) {
    await passBarrier(client, place, patienceOf(client, place));
  },
};

const comesInCompany: Workload = {
  name: "two of one process enter a barrier",
  themes,
  async run(client, place) {
    const wait = patienceOf(client, place);
    await Promise.all([1, 2].map((party) => passBarrier(client, `${place}.${party}`, wait)));
  },
};

async function countDown(
  client: Client,
  place: string,
  { name, id, wait }: { readonly name: string; readonly id: string; readonly wait: number },
): Promise<void> {
  const { coordinator, stage, choices } = client;
  const call = client.nextCall();
  // Again after a failure, as who wants to be sure: the same one counts once.
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    client.record({ what: "counting", call, name, id });
    try {
      const missing = await coordinator.latch(name, stage.count).countDown({ id, wait });
      client.record({ what: "counted", call, name, missing });
      if (choices.likely(`${place}.once`, 0.8)) return;
    } catch (error) {
      if (codeOf(error) === "CLOSED") return;
    }
  }
}

const countsDown: Workload = {
  name: "counts a latch down",
  themes,
  async run(client, place) {
    const name = client.choices.oneOf(`${place}.latch`, client.stage.latches);
    const id = client.choices.likely(`${place}.own`, 0.5) ? client.identity : place;
    await countDown(client, place, { name, id, wait: patienceOf(client, place) });
  },
};

async function waitForLatch(client: Client, name: string, wait: number): Promise<void> {
  const call = client.nextCall();
  try {
    await client.coordinator.latch(name, client.stage.count).wait({ wait });
    client.record({ what: "latch passed", call, name });
  } catch (error) {
    codeOf(error);
  }
}

const waitsForLatch: Workload = {
  name: "waits for a latch",
  themes,
  async run(client, place) {
    const name = client.choices.oneOf(`${place}.latch`, client.stage.latches);
    await waitForLatch(client, name, patienceOf(client, place));
  },
};

/** What clients do with barriers and latches. */
export const barrierWorkloads: readonly Workload[] = [
  entersBarrier,
  entersBarrier,
  comesInCompany,
  countsDown,
  countsDown,
  waitsForLatch,
];

/** As many as a barrier has parties come through it together; and latches that are counted down let everybody through. */
export async function passTogether({ clients, stage, phase }: Finale): Promise<void> {
  const party = (index: number): Client => clients[index % clients.length] as Client;
  const parties = Array.from({ length: stage.parties }, async (_, index) => {
    const client = party(index);
    await passBarrier(client, `finale${index}`, Number.POSITIVE_INFINITY);
  });
  await phase("all parties come through a barrier", parties);
  const [latch = ""] = stage.latches;
  const waiting = clients.map((client) => waitForLatch(client, latch, Number.POSITIVE_INFINITY));
  const counting = Array.from({ length: stage.count }, async (_, index) => {
    const asked = { name: latch, id: `party ${index}`, wait: Number.POSITIVE_INFINITY };
    await countDown(party(index), `finale${index}`, asked);
  });
  await phase("a latch that was counted down lets everybody through", [...waiting, ...counting]);
}
