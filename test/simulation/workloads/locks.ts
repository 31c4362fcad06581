import type { AcquireOptions } from "../../../src/index.ts";
import type { Client, TrackedGrant } from "../client.ts";
import type { Workload } from "./workload.ts";

/** A lock is held for nothing, for a while, or for longer than its TTL. */
async function workAndRelease(client: Client, grant: TrackedGrant | undefined, place: string): Promise<void> {
  if (grant === undefined) return;
  const { choices, ttlMs } = client;
  const ttls = choices.oneOf(`${place}.work`, [0, 0.05, 0.3, 1, choices.between(`${place}.long`, 0, 2.5)]);
  await grant.work(ttls * ttlMs, place);
  await grant.release();
  // Idempotent, and nobody else's grant is touched.
  if (choices.likely(`${place}.again`, 0.1)) await grant.release();
}

async function acquireAndWork(client: Client, place: string, options?: AcquireOptions): Promise<void> {
  const name = client.nameAt(place);
  const wait = options?.wait as number | undefined;
  const grant = await client.ask(name, "acquire", (lock) => lock.acquire(options), wait);
  await workAndRelease(client, grant, place);
}

const waits: Workload = { name: "waits for a lock", run: acquireAndWork };

const waitsInTime: Workload = {
  name: "waits for a lock for so long",
  run: (client, place) =>
    acquireAndWork(client, place, {
      wait: Math.ceil(client.choices.magnitude(`${place}.wait`, 0.01, 3) * client.ttlMs),
    }),
};

const aborts: Workload = {
  name: "waits for a lock and changes its mind",
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
  async run(client, place) {
    const name = client.nameAt(place);
    const grant = await client.ask(name, "try", (lock) => lock.tryAcquire());
    await workAndRelease(client, grant, place);
  },
};

const triesAgain: Workload = {
  name: "tries a lock now and then until it gets it",
  async run(client, place) {
    const name = client.nameAt(place);
    const pauseMs = client.choices.between(`${place}.pause`, 0.1, 0.5) * client.ttlMs;
    for (let attempt = 0; attempt < 12 && !client.isEnding; attempt += 1) {
      const grant = await client.ask(name, "try", (lock) => lock.tryAcquire());
      if (grant !== undefined) return workAndRelease(client, grant, place);
      await client.sleep(pauseMs);
    }
  },
};

const crowd: Workload = {
  name: "several callers of one process",
  async run(client, place) {
    const callers = client.choices.whole(`${place}.callers`, 2, 4);
    await Promise.all(
      Array.from({ length: callers }, (_, index) =>
        (index % 2 === 0 ? waits : waitsInTime).run(client, `${place}.${index}`),
      ),
    );
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
];
