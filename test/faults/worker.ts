/**
 * One worker process: does one workload, writes down everything that happens, and stops when it is told to or when
 * nobody is left to tell it. Uses what every user of the package can.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createCoordinator, LeaseholdError } from "../../src/index.ts";
import { loggedStore } from "./logged-store.ts";
import { openStore } from "./open-store.ts";
import { seededRandom } from "./random.ts";
import { connectToResource } from "./resource-client.ts";
import { openLogWriter } from "./worker-log.ts";
import { namespace, type WorkerSettings } from "./worker-settings.ts";
import { counting } from "./workloads/counting.ts";
import { entries } from "./workloads/entries.ts";
import { fenced } from "./workloads/fenced.ts";
import { leading } from "./workloads/leading.ts";
import { limiting } from "./workloads/limiting.ts";
import { numbers } from "./workloads/numbers.ts";
import { partitions } from "./workloads/partitions.ts";
import { payments } from "./workloads/payments.ts";
import { permits } from "./workloads/permits.ts";
import { readers } from "./workloads/readers.ts";
import { slots } from "./workloads/slots.ts";
import { transfers } from "./workloads/transfers.ts";
import { waiting } from "./workloads/waiting.ts";
import { codeOf, type Workbench } from "./workloads/workbench.ts";

const reconnectPauseMs = 200;
const workloads = {
  fenced,
  counting,
  waiting,
  permits,
  readers,
  leading,
  partitions,
  slots,
  limits: limiting,
  numbers,
  entries,
  transfers,
  payments,
};

const settings = JSON.parse(process.argv[2] ?? "{}") as WorkerSettings;
const log = openLogWriter(settings.logPath);
const settle = new AbortController();
const stop = new AbortController();

function fail(error: unknown): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.write({ event: "unexpected", message });
  process.exit(3);
}
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
// Whoever started this process is gone: it must not stay behind.
process.on("disconnect", () => process.exit(4));
process.on("message", (message) => {
  if (message === "settle") settle.abort();
  if (message === "stop") stop.abort();
});
// An interrupt from the terminal reaches every process; the one that started this one ends it in order.
process.on("SIGINT", () => undefined);

async function openStoreInTheEnd(): Promise<Awaited<ReturnType<typeof openStore>>> {
  for (;;) {
    try {
      const store = await openStore(settings.url);
      try {
        await store.setup({ create: false });
        return store;
      } catch (error) {
        await store.close();
        throw error;
      }
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
      log.write({ event: "store-failed", doing: "connect", code: codeOf(error) });
      if (stop.signal.aborted) process.exit(0);
      await delay(reconnectPauseMs);
    }
  }
}

const store = loggedStore(await openStoreInTheEnd(), log);
const resource = await connectToResource(settings.resourcePath, settings.worker);
const coordinator = createCoordinator(store, {
  ttl: settings.ttlMs,
  namespace,
  clientName: settings.worker,
});
const bench: Workbench = {
  settings,
  log,
  store,
  coordinator,
  resource,
  random: seededRandom(settings.seed),
  settling: settle.signal,
  stopping: stop.signal,
};
log.write({ event: "ready" });
await workloads[settings.workload](bench);
log.write({ event: "closing" });
await coordinator.close();
await store.close();
resource.close();
log.write({ event: "closed" });
process.exit(0);
