import type { Place } from "./accidents.ts";
import type { Audit } from "./results.ts";

/** One thing that must be true at the end. */
export interface Finding {
  readonly holds: boolean;
  readonly text: string;
}

/** What the fleet knows of its accidents. */
export interface Accidental {
  readonly stopped: Place | undefined;
  readonly killed: Place | undefined;
}

/** Compares what should have happened with what the resource wrote down. Asks no worker. */
export function check(jobs: readonly string[], audit: Audit, accidents: Accidental): readonly Finding[] {
  return [
    eachJobOnce(jobs, audit),
    fencesRise(audit),
    lateWriteRefused(audit, accidents.stopped),
    takenOver(audit, accidents.killed),
  ];
}

function eachJobOnce(jobs: readonly string[], audit: Audit): Finding {
  const times = new Map(jobs.map((job) => [job, 0]));
  for (const { job, accepted } of audit.writes) if (accepted) times.set(job, (times.get(job) ?? 0) + 1);
  const once = jobs.filter((job) => times.get(job) === 1);
  const others = [...times].filter(([, count]) => count !== 1).map(([job, count]) => `${job} ${count} times`);
  if (others.length === 0)
    return { holds: true, text: `${once.length} of ${jobs.length} jobs done, each exactly once` };
  return {
    holds: false,
    text: `${once.length} of ${jobs.length} jobs done exactly once; ${others.join(", ")}`,
  };
}

function fencesRise(audit: Audit): Finding {
  const largest = new Map<string, number>();
  const offenders: string[] = [];
  for (const { job, worker, fence } of audit.claims) {
    if (fence <= (largest.get(job) ?? 0))
      offenders.push(`worker ${worker} came to ${job} with fence ${fence}`);
    largest.set(job, fence);
  }
  if (offenders.length > 0) return { holds: false, text: `fences must rise, but ${offenders.join(", ")}` };
  return { holds: true, text: `the fence rose with each of the ${audit.claims.length} claims of a job` };
}

function lateWriteRefused(audit: Audit, stopped: Place | undefined): Finding {
  if (stopped === undefined) return { holds: false, text: "no worker was stopped" };
  const { worker, job, fence } = stopped;
  const late = audit.writes.find((write) => write.job === job && write.fence === fence);
  const what = `late write of worker ${worker} with fence ${fence}`;
  if (late === undefined) return { holds: false, text: `${what}: it never came` };
  if (late.accepted) return { holds: false, text: `${what} was accepted by ${job}` };
  return { holds: late.seenFence > fence, text: `${what} refused: ${job} has seen fence ${late.seenFence}` };
}

function takenOver(audit: Audit, killed: Place | undefined): Finding {
  if (killed === undefined) return { holds: false, text: "no worker was killed" };
  const { worker, job, fence } = killed;
  const what = `worker ${worker} was killed with ${job}, fence ${fence}`;
  const successor = audit.writes.find((write) => write.job === job && write.accepted);
  if (successor === undefined || successor.worker === worker || successor.fence <= fence) {
    return { holds: false, text: `${what}: nobody took over with a larger fence` };
  }
  return { holds: true, text: `${what}: worker ${successor.worker} took over, fence ${successor.fence}` };
}
