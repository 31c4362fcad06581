import type { Step, WorkerMessage } from "./messages.ts";

/** A worker in the middle of a job. */
export interface Place {
  readonly worker: number;
  readonly job: string;
  readonly fence: number;
}

/** What the accidents need from the fleet. */
export interface AccidentHost {
  /** Lets a worker take its next step. */
  goOn(worker: number): void;
  /** SIGSTOP, by the worker itself, right before its write. */
  stop(worker: number): void;
  /** SIGCONT */
  resume(worker: number): void;
  /** SIGKILL */
  kill(worker: number): void;
  /** Tells the audience. */
  tell(text: string): void;
}

/**
 * The two accidents of the demo, timed by what the workers report and never by a clock:
 *
 * 1. A worker is stopped between its last look at the lease and its write. When another one is in the middle of
 *    the same job, it is continued, and writes: too late.
 * 2. After that, a worker is killed halfway through a job.
 *
 * One after the other, so that two workers and one job are enough.
 */
export class Accidents {
  /** Who was stopped. */
  stopped: Place | undefined;
  /** Who was killed. */
  killed: Place | undefined;
  readonly #host: AccidentHost;
  readonly #jobs: number;
  readonly #calmJobs: number;
  readonly #reachedHalfway = new Set<string>();
  #next: "stop" | "continue" | "late write" | "kill" | "none" = "stop";
  #done = 0;
  /** Waits for a direction until the late write has come. */
  #successor: Place | undefined;

  constructor(host: AccidentHost, fleet: { readonly workers: number; readonly jobs: number }) {
    this.#host = host;
    this.#jobs = fleet.jobs;
    // A few jobs go well first, but there must be one left that has not come to its last step.
    this.#calmJobs = Math.max(0, Math.min(fleet.workers, fleet.jobs - fleet.workers - 1));
  }

  /** Takes in what a worker reports, and answers each step with a direction. */
  onMessage(worker: number, message: WorkerMessage): void {
    if (message.kind === "step") this.#onStep(message, { worker, job: message.job, fence: message.fence });
    if (message.kind === "done") this.#done += 1;
    if (message.kind === "lost" && this.#next === "continue" && this.#stopped(worker, message.fence)) {
      // This machine was too slow: the lease was over before the worker came to its last look. Another time.
      this.#next = "stop";
    }
    const isLateWrite = message.kind === "refused" || message.kind === "done";
    if (isLateWrite && this.#next === "late write" && this.#stopped(worker, message.fence)) {
      this.#next = "kill";
      if (this.#successor !== undefined) this.#killOrGoOn(this.#successor);
    }
  }

  #stopped(worker: number, fence: number): boolean {
    return this.stopped?.worker === worker && this.stopped.fence === fence;
  }

  #onStep({ step, steps }: Step, place: Place): void {
    const isHalfway = step === Math.ceil(steps / 2);
    if (isHalfway) this.#reachedHalfway.add(place.job);
    if (this.#next === "stop" && step === steps && this.#done >= this.#calmJobs) this.#stop(place);
    else if (this.#next === "continue" && isHalfway && place.job === this.stopped?.job) this.#continue(place);
    else if (this.#next === "kill" && isHalfway) this.#killOrGoOn(place);
    else this.#host.goOn(place.worker);
  }

  #stop(place: Place): void {
    this.#next = "continue";
    this.stopped = place;
    this.#host.tell(`SIGSTOP: worker ${place.worker} stands still, right before it writes ${place.job}`);
    this.#host.stop(place.worker);
  }

  #continue(successor: Place): void {
    const { worker, job } = this.stopped as Place;
    this.#next = "late write";
    this.#successor = successor;
    this.#host.tell(`SIGCONT: worker ${worker} goes on, unaware of the takeover, and writes ${job}`);
    this.#host.resume(worker);
  }

  /** Kills the worker; rather one that has no part in the first accident, as long as there will be one. */
  #killOrGoOn(place: Place): void {
    const isLastChance = this.#reachedHalfway.size === this.#jobs;
    const isInvolved = place.worker === this.stopped?.worker || place.job === this.stopped?.job;
    if (isInvolved && !isLastChance) {
      this.#host.goOn(place.worker);
      return;
    }
    this.#next = "none";
    this.killed = place;
    this.#host.tell(`SIGKILL: worker ${place.worker} dies in the middle of ${place.job}`);
    this.#host.kill(place.worker);
  }
}
