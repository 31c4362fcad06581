import { type Client, codeOf } from "../client.ts";
import type { Theme } from "../stage.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["sequences"];
/** Numbers without gaps. */
export const gapFreeName = "orders";
/** Numbers that rise over all processes. */
export const exactName = "exact";
const blocksName = "tickets";

/** Asks for numbers, and writes down which ones came. */
async function ask(
  client: Client,
  name: string,
  request: (call: number) => Promise<readonly number[]>,
): Promise<void> {
  const call = client.nextCall();
  client.record({ what: "numbers asked", call, name });
  try {
    const numbers = await request(call);
    const [first = Number.NaN, last = first] = [numbers[0], numbers.at(-1)];
    client.record({ what: "numbered", call, name, first, last });
  } catch (error) {
    client.record({ what: "not numbered", call, name, code: codeOf(error) });
  }
}

function next(client: Client): Promise<void> {
  const sequence = client.coordinator.sequence(blocksName, { block: 5 });
  return ask(client, blocksName, async () => [await sequence.next()]);
}

function takeInOrder(client: Client, place: string): Promise<void> {
  const sequence = client.coordinator.sequence(exactName, { block: 1 });
  return ask(client, exactName, () => sequence.take(client.choices.whole(`${place}.count`, 1, 4)));
}

function issue(client: Client, workMs: number): Promise<void> {
  const numbers = client.coordinator.sequence(gapFreeName, { gapFree: true });
  return ask(client, gapFreeName, (call) =>
    numbers.issue(async (number) => {
      await client.sleep(workMs / 2);
      client.record({ what: "number written", call, name: gapFreeName, number });
      await client.sleep(workMs / 2);
      return [number];
    }),
  );
}

const takesNumbers: Workload = {
  name: "takes numbers of blocks",
  themes,
  async run(client) {
    await next(client);
    await Promise.all([next(client), next(client), next(client)]);
  },
};

const takesInOrder: Workload = {
  name: "takes numbers that rise in all processes",
  themes,
  async run(client, place) {
    await takeInOrder(client, `${place}.first`);
    await Promise.all([takeInOrder(client, `${place}.second`), takeInOrder(client, `${place}.third`)]);
  },
};

const worksWithNumber: Workload = {
  name: "works with a number of which none may be missing",
  themes,
  run: (client, place) => issue(client, client.choices.magnitude(`${place}.work`, 0.001, 1.5) * client.ttlMs),
};

/** What clients do with sequences. */
export const sequenceWorkloads: readonly Workload[] = [
  ...[takesNumbers, takesNumbers],
  ...[takesInOrder, takesInOrder],
  ...Array<Workload>(5).fill(worksWithNumber),
];

/** Everybody gets a number of each kind; what a client that died has left behind is taken over by that. */
export async function numberInPeace({ clients, phase }: Finale): Promise<void> {
  const all = clients.flatMap((client, index) => [
    issue(client, 0),
    next(client),
    takeInOrder(client, `finale${index}`),
  ]);
  await phase("everybody gets numbers", all);
}
