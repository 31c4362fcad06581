import type { AcquireOptions, Grant, Leadership, UpgradeableGrant } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import { readWriteWeights } from "../plan.ts";
import type { Theme } from "../stage.ts";
import type { TrackedGrant } from "../tracked-grant.ts";
import type { Workload } from "./workload.ts";

/** A lock is held for nothing, for a while, or for longer than its TTL. */
async function workAndRelease(client: Client, grant: TrackedGrant | undefined, place: string): Promise<void> {
  if (grant === undefined) return;
  const { choices, ttlMs } = client;
  const ttls = choices.oneOf(`${place}.work`, [0, 0.05, 0.3, 1, choices.between(`${place}.long`, 0, 2.5)]);
  await grant.work(ttls * ttlMs, place);
  if (isLeadership(grant.grant)) {
    await proclaim(client, grant, grant.grant);
    if (choices.likely(`${place}.hands over`, 0.3)) {
      return grant.handOver(grant.grant, choices.oneOf(`${place}.to`, client.clientNames));
    }
  }
  if (isChangeable(grant.grant)) await changeMode(client, grant, grant.grant, place);
  await grant.release();
  // Idempotent, and nobody else's grant is touched.
  if (choices.likely(`${place}.again`, 0.1)) await grant.release();
}

function isLeadership(grant: Grant): grant is Leadership {
  return "proclaim" in grant;
}

async function proclaim(client: Client, { call, name }: TrackedGrant, leadership: Leadership): Promise<void> {
  try {
    await leadership.proclaim({ call });
    client.record({ what: "proclaimed", call, name });
  } catch (error) {
    codeOf(error);
  }
}

function isChangeable(grant: Grant): grant is UpgradeableGrant {
  return "mode" in grant;
}

/** A writer may go on as a reader, and a reader that may upgrade become the writer; again after a failure, too. */
async function changeMode(
  client: Client,
  tracked: TrackedGrant,
  grant: UpgradeableGrant,
  place: string,
): Promise<void> {
  const { choices, ttlMs } = client;
  for (
    let round = 1;
    round <= 3 && !tracked.isOver && choices.likely(`${place}.change${round}`, 0.7);
    round += 1
  ) {
    try {
      if ("upgrade" in grant && grant.mode === "upgradeable") {
        await grant.upgrade({ wait: choices.magnitude(`${place}.patience${round}`, 0.002, 2) * ttlMs });
        tracked.reweigh(readWriteWeights.write);
        await tracked.work(0.2 * ttlMs, `${place}.upgraded${round}`);
      }
      // From here on others may read beside it, whether or not it hears so.
      const next = grant.mode === "write" && "upgrade" in grant ? "upgradeable" : "read";
      if (next === "read" && "upgrade" in grant && choices.likely(`${place}.stays${round}`, 0.8)) continue;
      tracked.reweigh(readWriteWeights[next]);
      await grant.downgrade();
      await tracked.work(0.2 * ttlMs, `${place}.downgraded${round}`);
    } catch (error) {
      codeOf(error);
      // A step down that may have arrived counts: nothing more than the mode it shows.
      tracked.reweigh(readWriteWeights[grant.mode]);
    }
  }
}

async function acquireAndWork(client: Client, place: string, options?: AcquireOptions): Promise<void> {
  const name = client.nameAt(place);
  const wait = options?.wait as number | undefined;
  const grant = await client.ask(name, place, "acquire", (share) => share.acquire(options), wait);
  await workAndRelease(client, grant, place);
}

/** What there is to do with locks is done where they are what it is about. */
const themes: readonly Theme[] = ["locks", "elections"];

/** The only one that goes on in every world. */
const waits: Workload = { name: "waits for a lock", run: acquireAndWork };

const waitsInTime: Workload = {
  name: "waits for a lock for so long",
  themes,
  run: (client, place) =>
    acquireAndWork(client, place, {
      wait: Math.ceil(client.choices.magnitude(`${place}.wait`, 0.01, 3) * client.ttlMs),
    }),
};

const aborts: Workload = {
  name: "waits for a lock and changes its mind",
  themes,
  async run(client, place) {
    const controller = new AbortController();
    const { runtime } = client.process;
    const delayMs = client.choices.magnitude(`${place}.abort`, 0.0005, 1.5) * client.ttlMs;
    runtime.schedule(delayMs, () => controller.abort());
    await acquireAndWork(client, place, { signal: controller.signal });
  },
};

const tries: Workload = {
  name: "tries a lock",
  themes,
  async run(client, place) {
    const name = client.nameAt(place);
    const grant = await client.ask(name, place, "try", (share) => share.tryAcquire());
    await workAndRelease(client, grant, place);
  },
};

const triesAgain: Workload = {
  name: "tries a lock now and then until it gets it",
  themes,
  async run(client, place) {
    const name = client.nameAt(place);
    const pauseMs = client.choices.between(`${place}.pause`, 0.1, 0.5) * client.ttlMs;
    for (let attempt = 0; attempt < 12 && !client.isEnding; attempt += 1) {
      const grant = await client.ask(name, place, "try", (share) => share.tryAcquire());
      if (grant !== undefined) return workAndRelease(client, grant, place);
      await client.sleep(pauseMs);
    }
  },
};

const crowd: Workload = {
  name: "several callers of one process",
  themes,
  async run(client, place) {
    const callers = client.choices.whole(`${place}.callers`, 2, 4);
    await Promise.all(
      Array.from({ length: callers }, (_, index) =>
        (index % 2 === 0 ? waits : waitsInTime).run(client, `${place}.${index}`),
      ),
    );
  },
};

const several: Workload = {
  name: "waits for several locks at once",
  themes,
  async run(client, place) {
    const { choices, coordinator, ttlMs } = client;
    const names = client.lockNames;
    if (names.length === 0) return;
    const wait = Math.ceil(choices.magnitude(`${place}.wait`, 0.01, 3) * ttlMs);
    const all = coordinator.lockAll(names);
    const grants = await client.askForAll(names, () => all.acquire({ wait }), wait);
    await Promise.all(
      grants.map((grant) => grant.work(choices.between(`${place}.work`, 0, 0.5) * ttlMs, place)),
    );
    await Promise.all(grants.map((grant) => grant.release()));
  },
};

const asksBack: Workload = {
  name: "asks whoever holds it to give it back",
  themes,
  async run(client, place) {
    await client.askToGiveBack(client.nameAt(place));
  },
};

const takes: Workload = {
  name: "takes it from whoever holds it",
  themes,
  async run(client, place) {
    const { choices, coordinator } = client;
    const name = client.nameAt(place);
    const kind = client.kindOf(name);
    const call = client.nextCall();
    try {
      const seen = choices.likely(`${place}.one`, 0.4) ? await coordinator.inspect(name, { kind }) : null;
      const one = seen?.holders.map(({ fence }) => ({ fence })).at(-1);
      client.record({ what: "force asked", call, name, ...one });
      const taken = await coordinator.forceRelease(name, { kind, reason: "a test takes it", ...one });
      client.record({ what: "forced", call, name, taken });
    } catch (error) {
      codeOf(error);
    }
  },
};

/** What clients do with locks. */
export const lockWorkloads: readonly Workload[] = [
  waits,
  waits,
  waitsInTime,
  aborts,
  tries,
  triesAgain,
  crowd,
  several,
  asksBack,
  takes,
];
