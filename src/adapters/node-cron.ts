import type { Coordinator } from "../coordinator.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { ScheduleOptions } from "../schedules/schedule-options.ts";

/** What node-cron tells its tasks, as far as it matters here. */
export interface CronTaskContext {
  /** The slot. */
  readonly date: Date;
  readonly task?: { readonly name?: string };
}

/** A run coordinator for the `runCoordinator` option, or the `setRunCoordinator`, of node-cron 4.4 and newer. */
export interface CronRunCoordinator {
  /**
   * Asked by node-cron before each run. Answers true in one process for each slot, and holds the schedule until
   * {@link CronRunCoordinator.onComplete}. The lease is renewed by itself: node-cron's `distributedLease` is not used.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for a key that node-cron would not make, and what `Schedule.run`
   * throws. node-cron then skips the run.
   */
  shouldRun(key: string, ttlMs?: number): Promise<boolean>;
  /**
   * Told by node-cron after each run, whether it failed or not. The slot stays taken for ever.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when the lease was lost in the middle; node-cron logs it.
   */
  onComplete(key: string): Promise<void>;
  /**
   * The signal of the run that a task was called for: aborts when the lease is lost, `atMost` is over, or the coordinator
   * is closed. `undefined` where nothing runs for that slot here, as when `execute()` called the task.
   */
  signal(context: CronTaskContext): AbortSignal | undefined;
}

interface Run {
  readonly signal: AbortSignal;
  finish(): void;
}

/** `name:slot`, as node-cron makes it; a name may hold colons. */
const keyForm = /^(.+):(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/s;

/**
 * Lets node-cron run each slot of a task in one process of the fleet. The task's `name` is the name of its schedule; the
 * slot comes from the cron expression, so clocks may differ, and a process that is late finds the slot taken.
 *
 * One run of a task at a time in the whole fleet: a slot that comes while an earlier one still runs is skipped. With
 * `attempts` of 2 or more the other processes wait for the runner, and take over if it dies: then leave node-cron's
 * `noOverlap` off, for it takes the wait for a run.
 *
 * @param options - those of `coordinator.schedule`, for all tasks.
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for options out of range, at the first run.
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * import { cronRunCoordinator } from "leasehold/node-cron";
 * import cron from "node-cron";
 *
 * await using coordinator = await connect("memory:");
 * const runCoordinator = cronRunCoordinator(coordinator);
 * const task = cron.schedule("* * * * * *", (context) => {
 *   runCoordinator.signal(context)?.throwIfAborted(); // stop when the lease is lost
 * }, { name: "report", distributed: true, runCoordinator });
 * const slot = await new Promise<Date>((resolve) => task.on("execution:finished", ({ date }) => resolve(date)));
 * await task.destroy();
 * console.log(slot.getMilliseconds()); // 0
 * ```
 */
export function cronRunCoordinator(
  coordinator: Coordinator,
  options: ScheduleOptions = {},
): CronRunCoordinator {
  const runs = new Map<string, Run & { readonly ended: Promise<void> }>();
  return {
    async shouldRun(key) {
      const [, name = "", slot = ""] = keyForm.exec(key) ?? [];
      if (name === "") {
        throw new InvalidArgumentError(
          `node-cron's key must be a name and a slot; got ${JSON.stringify(key)}`,
        );
      }
      const { promise: isMine, resolve, reject } = Promise.withResolvers<boolean>();
      const begun = Promise.withResolvers<Run>();
      const outcome = coordinator.schedule(name, options).run(new Date(slot), ({ signal }) => {
        const { promise: work, resolve: finish } = Promise.withResolvers<void>();
        begun.resolve({ signal, finish });
        return work;
      });
      const ended = outcome.then(({ ran }) => {
        if (!ran) resolve(false);
      });
      // Before it began: to whoever asked. After: to onComplete.
      ended.catch(reject);
      begun.promise.then((run) => {
        runs.set(key, { ...run, ended });
        resolve(true);
      }, reject);
      return isMine;
    },
    async onComplete(key) {
      const run = runs.get(key);
      if (run === undefined) return;
      runs.delete(key);
      run.finish();
      await run.ended;
    },
    signal: ({ date, task }) => runs.get(`${task?.name}:${date.toISOString()}`)?.signal,
  };
}
