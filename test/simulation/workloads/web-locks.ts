import { LeaseholdError } from "../../../src/core/errors.ts";
import type { WebLock, WebLockOptions } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import { webLockWeights } from "../plan.ts";
import type { Theme } from "../stage.ts";
import { TrackedHold } from "../tracked-grant.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["web locks"];

type Work = (hold: TrackedHold<WebLock>) => Promise<void>;

/** One request, as a library for browsers would make it. Answers whether it was granted. */
async function request(
  client: Client,
  name: string,
  how: "acquire" | "try" | "steal",
  options: WebLockOptions,
  work: Work,
): Promise<boolean> {
  const call = client.nextCall();
  client.record({ what: "asked", call, name, how, waitMs: Number.POSITIVE_INFINITY });
  const weight = webLockWeights[options.mode ?? "exclusive"];
  let hold: TrackedHold<WebLock> | undefined;
  const callback = async (lock: WebLock | null): Promise<void> => {
    if (lock === null) return;
    hold = new TrackedHold(client, call, lock, weight);
    await work(hold);
    hold.finish();
    client.record({ what: "releasing", call, name });
  };
  let code = "OK";
  try {
    await client.coordinator.lockManager.request(name, options, callback);
  } catch (error) {
    code = codeOfDom(error, options.signal);
  }
  if (hold !== undefined) client.record({ what: "released", call, name, code });
  else client.record({ what: "not granted", call, name, code: code === "OK" ? "NONE" : code });
  return hold !== undefined;
}

/** What an error of the standard stands for. */
function codeOfDom(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted && error === signal.reason) return "ABORTED";
  const isDom = error instanceof DOMException && error.cause instanceof LeaseholdError;
  return codeOf(isDom ? error.cause : error);
}

/** Holds it for a while, and some never look at the signal before the end: the standard has none. */
function workOf(client: Client, place: string): Work {
  const ttls = client.choices.oneOf(`${place}.work`, [
    0,
    0.05,
    0.3,
    1,
    client.choices.between(`${place}.long`, 0, 2.5),
  ]);
  return (hold) => hold.work(ttls * client.ttlMs, place);
}

function modeAt({ choices }: Client, place: string): "exclusive" | "shared" {
  return choices.oneOf(`${place}.mode`, ["exclusive", "shared", "shared"]);
}

const requests: Workload = {
  name: "requests a web lock",
  themes,
  async run(client, place) {
    const { webLock } = client.stage;
    await request(client, webLock, "acquire", { mode: modeAt(client, place) }, workOf(client, place));
  },
};

const requestsAvailable: Workload = {
  name: "requests a web lock if it is available",
  themes,
  async run(client, place) {
    const options = { mode: modeAt(client, place), ifAvailable: true };
    await request(client, client.stage.webLock, "try", options, workOf(client, place));
  },
};

const changesItsMind: Workload = {
  name: "requests a web lock and changes its mind",
  themes,
  async run(client, place) {
    const controller = new AbortController();
    const delayMs = client.choices.magnitude(`${place}.abort`, 0.0005, 1.5) * client.ttlMs;
    client.process.runtime.schedule(delayMs, () => controller.abort(new Error("a test changed its mind")));
    const options = { mode: modeAt(client, place), signal: controller.signal };
    await request(client, client.stage.webLock, "acquire", options, workOf(client, place));
  },
};

const steals: Workload = {
  name: "steals a web lock",
  themes,
  async run(client, place) {
    await request(client, client.stage.webLock, "steal", { steal: true }, workOf(client, place));
  },
};

/** What clients do with web locks. */
export const webLockWorkloads: readonly Workload[] = [
  requests,
  requests,
  requestsAvailable,
  changesItsMind,
  steals,
];

/** What is free is had; what is stolen is lost by who had it, and it hears of that. */
export async function stealInPeace({ clients, stage, phase }: Finale): Promise<void> {
  const [holder, thief = holder] = clients;
  if (holder === undefined || thief === undefined) return;
  const untilLost: Work = ({ grant: { signal } }) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  let isHeld = false;
  const holding = request(holder, stage.webLock, "acquire", {}, (hold) => {
    isHeld = true;
    return untilLost(hold);
  });
  await phase("a web lock is had", () => isHeld);
  const stealing = request(thief, stage.webLock, "steal", { steal: true }, async (hold) => hold.act());
  await phase("a web lock that is stolen is lost by who had it", [holding, stealing]);
  let wasFree = false;
  const trying = async (): Promise<void> => {
    wasFree = await request(holder, stage.webLock, "try", { ifAvailable: true }, async (hold) => hold.act());
  };
  await phase("a web lock that is free is available", [trying()]);
  await phase("and was granted", () => wasFree);
}
