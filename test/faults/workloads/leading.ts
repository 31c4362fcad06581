import type { Leadership } from "../../../src/index.ts";
import { brokenElection } from "../broken-sharing.ts";
import { sharedNowMs } from "../history.ts";
import { leadingName } from "../worker-settings.ts";
import {
  codeOf,
  giveBack,
  inLanes,
  noteGranted,
  rest,
  restAfterFailure,
  type Workbench,
} from "./workbench.ts";

/** Leads by turns: by `lead`, whose work is at times asked to end and takes its time, by `campaign`, with hand-over. */
export async function leading(bench: Workbench): Promise<void> {
  const { coordinator, log, random, settings } = bench;
  const election =
    settings.broken === "no-lock"
      ? brokenElection(leadingName, settings.worker, random)
      : coordinator.election(leadingName);
  await inLanes(bench, 1, async (call) => {
    log.write({ event: "called", call, name: leadingName });
    try {
      if (random.below(2) === 0) await lead(bench, election, call);
      else await campaign(bench, election, call);
    } catch (error) {
      log.write({ event: "gave-up", call, code: codeOf(error) });
      if (codeOf(error) !== "ACQUIRE_TIMEOUT") await restAfterFailure(bench);
    }
    await rest(bench, 0, 8);
  });
}

/** The part of an election that is used here. */
export type Chair = Pick<ReturnType<Workbench["coordinator"]["election"]>, "campaign" | "lead">;

async function lead(bench: Workbench, election: Chair, call: number): Promise<void> {
  const { log, random, stopping } = bench;
  const ending = new AbortController();
  const isAsked = random.below(3) === 0;
  let isGranted = false;
  const work = async (leadership: Leadership): Promise<void> => {
    isGranted = true;
    noteGranted(bench, leadership, call);
    await govern(bench, leadership, call);
    if (isAsked) {
      // Asked to end, it still has something to put away: nobody may lead before it has.
      ending.abort();
      await rest(bench, 1, 15);
      proveLeading(bench, leadership, call);
    }
    log.write({ event: "ended", call });
  };
  try {
    await election.lead(work, { signal: AbortSignal.any([stopping, ending.signal]) });
    log.write({ event: "released", call });
  } catch (error) {
    if (!isGranted) throw error;
    log.write({ event: "release-failed", call, code: codeOf(error) });
  }
}

async function campaign(bench: Workbench, election: Chair, call: number): Promise<void> {
  const { log, random, settings, stopping: signal } = bench;
  const wait = random.below(6) === 0 ? random.between(5, 100) : Number.POSITIVE_INFINITY;
  const leadership = await election.campaign({ wait, signal, identity: settings.worker });
  noteGranted(bench, leadership, call);
  await govern(bench, leadership, call);
  if (random.below(3) === 0) {
    try {
      await leadership.proclaim({ call });
    } catch (error) {
      log.write({ event: "change-failed", call, code: codeOf(error) });
    }
    proveLeading(bench, leadership, call);
  }
  log.write({ event: "ended", call });
  if (random.below(3) > 0) return giveBack(bench, leadership, call);
  try {
    await leadership.resign({ to: `w${random.below(4)}.0` });
    log.write({ event: "released", call });
  } catch (error) {
    log.write({ event: "release-failed", call, code: codeOf(error) });
  }
}

async function govern(bench: Workbench, leadership: Leadership, call: number): Promise<void> {
  const { log, random, resource } = bench;
  for (let writes = 1 + random.below(2); writes > 0 && proveLeading(bench, leadership, call); writes -= 1) {
    const accepted = await resource.write(leadership.name, leadership.term);
    log.write({ event: "wrote", call, accepted });
    await rest(bench, 0, 4);
  }
  proveLeading(bench, leadership, call);
}

/** As `proveHeld`, also where it was asked to end: its term goes on until the work has ended. */
function proveLeading({ log }: Workbench, leadership: Leadership, call: number): boolean {
  const at = sharedNowMs();
  const { state } = leadership;
  if (state !== "held" && state !== "uncertain") return false;
  log.write({ event: "held", call }, at);
  return true;
}
