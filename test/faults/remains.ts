import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  AcquireTimeoutError,
  type Backend,
  type Coordinator,
  connect,
  createCoordinator,
  LeaseholdError,
} from "../../src/index.ts";
import { partitionsLeft, slotsLeft } from "./fleet-remains.ts";
import { type Guarded, guardedBy } from "./guarded.ts";
import { sharedNowMs, type WorkerEvent, type WorkerLog } from "./history.ts";
import { tokensLeft } from "./limit-remains.ts";
import { openStore } from "./open-store.ts";
import type { Account } from "./storage-events.ts";
import { lastWords, readAccounts } from "./storage-remains.ts";
import { counterKey, namespace, numbered, type WorkloadName } from "./worker-settings.ts";

const attemptsMax = 50;
const attemptPauseMs = 200;
const looksMax = 10;
const inspectorName = "inspector";

/** What the counter stands at, asked by a write, which nothing stale can answer. */
export async function readFinalSum(url: string): Promise<number> {
  return withStore(url, (store) => store.add(counterKey, 0, { writer: randomUUID(), sequence: 1 }));
}

/** What the counters and sequences of `numbers` stand at, asked by writes where reads may be stale. */
export async function readFinalNumbers(
  url: string,
  ttlMs: number,
): Promise<{ readonly total: number; readonly steps: number; readonly lastIssued: number }> {
  return withStore(url, async (store) => {
    await using coordinator = createCoordinator(store, { ttl: ttlMs, namespace, clientName: inspectorName });
    const total = await coordinator.counter(numbered.total).add(0);
    const steps = await coordinator.counter(numbered.steps).add(0);
    const issued = coordinator.sequence(numbered.issued, { gapFree: true });
    const next = await issued.issue((number) => number, { wait: 8 * ttlMs });
    return { total, steps, lastIssued: next - 1 };
  });
}

/** What the entries that all shared stand at when everybody has stopped, as the log of one more worker. */
export async function readFinalEntries(url: string, ttlMs: number): Promise<WorkerLog> {
  return inspect(url, ttlMs, lastWords);
}

/** The accounts when everybody has stopped. */
export async function readFinalAccounts(url: string, ttlMs: number): Promise<Record<string, Account>> {
  return inspect(url, ttlMs, readAccounts);
}

async function inspect<R>(
  url: string,
  ttlMs: number,
  look: (coordinator: Coordinator) => Promise<R>,
): Promise<R> {
  return withStore(url, async (store) => {
    await using coordinator = createCoordinator(store, { ttl: ttlMs, namespace, clientName: inspectorName });
    return await look(coordinator);
  });
}

/**
 * What still stands in the store when everybody has stopped: a lock that cannot be had within the time that leases of
 * killed workers take to end, one after the other, and whoever still stands in a queue afterwards.
 */
export async function readLeftovers(
  url: string,
  workload: WorkloadName,
  ttlMs: number,
): Promise<readonly string[]> {
  return withStore(url, async (store) => {
    await using coordinator = createCoordinator(store, { ttl: ttlMs, namespace, clientName: inspectorName });
    if (workload === "partitions") return await partitionsLeft(coordinator, 8 * ttlMs);
    if (workload === "slots") return await slotsLeft(coordinator, 8 * ttlMs);
    if (workload === "limits") return await tokensLeft(coordinator, 8 * ttlMs);
    const leftovers: string[] = [];
    for (const guarded of guardedBy(workload, coordinator)) {
      try {
        await using _grant = await guarded.acquire({ wait: 8 * ttlMs });
        leftovers.push(...(await othersIn(guarded)));
      } catch (error) {
        if (!(error instanceof AcquireTimeoutError)) throw error;
        leftovers.push(`${guarded.name} could not be acquired when everybody had stopped: ${error.message}`);
      }
    }
    return leftovers;
  });
}

/**
 * What an operator does when a store was lost: makes it anew, and goes on. Its grants must be newer than all that were
 * given before.
 */
export async function startAnew(url: string, workload: WorkloadName, ttlMs: number): Promise<WorkerLog> {
  const events: WorkerEvent[] = [];
  await using coordinator = await connect(url, { ttl: ttlMs, namespace, clientName: inspectorName });
  for (const [call, guarded] of guardedBy(workload, coordinator).entries()) {
    const { name } = guarded;
    events.push({ at: sharedNowMs(), event: "called", call, name });
    await using grant = await guarded.acquire({ wait: 8 * ttlMs });
    events.push({ at: sharedNowMs(), event: "granted", call, name, fence: grant.fence });
  }
  events.push({ at: sharedNowMs(), event: "closed" });
  return { worker: "operator", place: -1, events };
}

/** Everybody but ourselves who goes on standing in a queue. A read may be stale: it is asked for more than once. */
async function othersIn(guarded: Guarded): Promise<readonly string[]> {
  for (let look = 1; ; look += 1) {
    const seen = await guarded.inspect();
    const others = [...(seen?.holders ?? []), ...(seen?.waiters ?? [])].filter(
      ({ client }) => client?.name !== inspectorName,
    );
    if (others.length === 0 || look >= looksMax) {
      return others.map((other) => `${guarded.name} still shows ${JSON.stringify(other)}`);
    }
    await delay(attemptPauseMs);
  }
}

/** The store has just been through a fault: it is given some time to answer. */
async function withStore<R>(url: string, ask: (store: Backend) => Promise<R>): Promise<R> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const store = await openStore(url);
      try {
        await store.setup({ create: false });
        return await ask(store);
      } finally {
        await store.close();
      }
    } catch (error) {
      if (!(error instanceof LeaseholdError && error.retryable) || attempt >= attemptsMax) throw error;
      await delay(attemptPauseMs);
    }
  }
}
