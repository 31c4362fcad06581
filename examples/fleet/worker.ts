// One worker of the fleet: takes a job that nobody else holds, does it, and writes its result, until all are done.
// What is said to `stage` makes the demo visible; a worker of your own is this file without it.
import { setTimeout as sleep } from "node:timers/promises";
import { type Coordinator, connect, type Grant, LeaseholdError } from "../../src/index.ts";
import type { Direction, WorkerSettings } from "./messages.ts";
import { openResults, type Results } from "./results.ts";
import { enterStage } from "./stage.ts";

const settings: WorkerSettings = JSON.parse(process.argv[2] ?? "");
const { worker, url, namespace, ttlMs, resultsPath, jobMs } = settings;
const stepsPerJob = 6;
/** How often a worker that finds every job held looks again. */
const lookAgainMs = ttlMs / 10;

const stage = enterStage();
await work();
stage.leave();

async function work(): Promise<void> {
  using results = openResults(resultsPath);
  await using coordinator = await connect(url, { ttl: ttlMs, namespace, clientName: `worker ${worker}` });
  for (let jobs = results.unfinished(); jobs.length > 0; jobs = results.unfinished()) {
    const grant = await takeOne(coordinator, jobs);
    if (grant !== null) {
      await perform(grant, results);
    } else {
      stage.tell({ kind: "waiting" });
      await sleep(lookAgainMs);
    }
  }
}

/**
 * The first job whose lock is free, or `null` if all are held.
 *
 * What `tryAcquire` sees of a holder is kept between calls, so calling it now and then is enough to take over from
 * one that died. Looking from the top of the list each time keeps an eye on every job that is held.
 */
async function takeOne(coordinator: Coordinator, jobs: readonly string[]): Promise<Grant | null> {
  try {
    for (const job of jobs) {
      const grant = await coordinator.lock(job).tryAcquire();
      if (grant !== null) return grant;
    }
  } catch (error) {
    // A store that is busy or out of reach for a moment is no reason to die.
    if (!(error instanceof LeaseholdError && error.retryable)) throw error;
  }
  return null;
}

/** Does one job under its lock, which is released at the end, whatever happens in between. */
async function perform(grant: Grant, results: Results): Promise<void> {
  await using held = grant;
  const { name: job, fence, signal } = held;

  // Somebody may have finished the job between our look at the list and the lock. The resource knows.
  const claim = results.claim(job, worker, fence);
  if (!claim.claimed) return;
  stage.tell({ kind: "claimed", job, fence, remainingMs: held.remainingMs(), earlier: claim.earlier });

  try {
    let direction: Direction = "go on";
    for (let step = 1; step <= stepsPerJob; step += 1) {
      // The signal aborts when the lease is lost. Give it to everything that takes time.
      await sleep(stepMs(), undefined, { signal });
      const remainingMs = held.remainingMs();
      direction = await stage.step({ job, fence, step, steps: stepsPerJob, remainingMs });
    }

    // The last look before the write. No look can be late enough: a process may be paused between any two
    // instructions, and here the demo does it.
    held.assertHeld();
    if (direction === "stop") stage.stop();

    // What comes too late is for the resource to refuse. That is why it gets the fence.
    const written = results.write(job, worker, fence, `done by worker ${worker}`);
    if (written.accepted) stage.tell({ kind: "done", job, fence });
    else stage.tell({ kind: "refused", job, fence, seenFence: written.seenFence });
  } catch (error) {
    if (held.state !== "lost") throw error;
    // Not ours any more. Whoever holds it now does the job from the start.
    stage.tell({ kind: "lost", job, fence, reason: signal.reason.message });
  }
}

/** Jobs differ. */
function stepMs(): number {
  return (jobMs / stepsPerJob) * (0.5 + Math.random());
}
