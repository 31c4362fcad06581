import { type Runtime, sleep } from "../core/runtime.ts";
import {
  AbortedError,
  AcquireTimeoutError,
  type Grant,
  type Inspection,
  type Json,
  LeaseholdError,
  type Lock,
} from "../index.ts";
import { formatDuration } from "./duration-option.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure } from "./failure.ts";
import { describeHolders, describeWait, isSameDeadHolder, mayBeDead, observeDeathMs } from "./holders.ts";
import type { Reporter } from "./reporter.ts";

/** What of a lock is used, so that something else can stand for it. */
export type Acquirable = Pick<Lock, "acquire" | "tryAcquire" | "inspect">;

/** What {@link acquireLock} needs. */
export interface AcquireLockOptions {
  readonly lock: Acquirable;
  /** What is acquired, for messages: `lock "deploy"`. */
  readonly title: string;
  /** `Infinity`: as long as it takes. */
  readonly waitMs: number;
  /** Give up at once when it is held by somebody who lives. */
  readonly isTry: boolean;
  /** Gives up when it fires. */
  readonly signal: AbortSignal;
  /** The fence under which this process itself was started, if that was under a lock of this name. */
  readonly parentFence: string | undefined;
  readonly metadata: Json;
  readonly reporter: Reporter;
  readonly runtime: Runtime;
}

/** A wait that is shorter goes without a word. */
const quietMs = 500;
/** How often somebody who watches is told of another holder. */
const lookEveryMs = 5_000;

/**
 * Acquires a lock for a command, and tells a person who waits what for.
 *
 * @throws CommandFailure (75) when it is not acquired in time; AbortedError when `signal` fired.
 */
export async function acquireLock(options: AcquireLockOptions): Promise<Grant> {
  const { lock, title, signal, metadata, isTry, waitMs, reporter, runtime } = options;
  if (isTry) return tryLock(options);
  const startedAtMs = runtime.monotonicMs();
  const answered = new AbortController();
  const refused = new AbortController();
  const watching = tellWhoHolds(options, answered.signal, (error) => refused.abort(error));
  try {
    const both = AbortSignal.any([signal, refused.signal]);
    const grant = await lock.acquire({
      signal: both,
      metadata,
      ...(Number.isFinite(waitMs) && { wait: waitMs }),
    });
    const waitedMs = runtime.monotonicMs() - startedAtMs;
    if (waitedMs > quietMs) reporter.progress(`got ${title} after ${formatDuration(waitedMs)}`);
    return grant;
  } catch (error) {
    if (refused.signal.aborted) throw refused.signal.reason;
    if (!(error instanceof AcquireTimeoutError)) throw error;
    const why =
      error.cause instanceof Error
        ? `the store last said: ${error.cause.message}`
        : describeHolders(await look(lock));
    throw new CommandFailure(
      exitCodes.notAcquired,
      `gave up on ${title} after ${formatDuration(waitMs)}: ${why}`,
      {
        cause: error,
      },
    );
  } finally {
    answered.abort();
    await watching;
  }
}

/** One try; a second one with some patience when everybody who holds it looks dead. */
async function tryLock(options: AcquireLockOptions): Promise<Grant> {
  const { lock, title, signal, metadata } = options;
  const grant = await lock.tryAcquire({ signal, metadata });
  if (grant !== null) return grant;
  const inspection = await lock.inspect();
  const late = mayBeDead(inspection) ? await outwait(options, inspection) : null;
  if (late !== null) return late;
  throw new CommandFailure(exitCodes.notAcquired, `${title} is ${describeHolders(await look(lock))}`);
}

/**
 * Waits for as long as it takes to observe that the holders are dead: a heartbeat that looks old may come from a
 * wrong clock. Any sign of life, or another holder, ends the wait.
 */
async function outwait(options: AcquireLockOptions, first: Inspection): Promise<Grant | null> {
  const { lock, title, signal, metadata, reporter, runtime } = options;
  const waitMs = observeDeathMs(first);
  reporter.progress(
    `${title} is ${describeHolders(first)}; making sure, for up to ${formatDuration(waitMs)}`,
  );
  const alive = new AbortController();
  const answered = new AbortController();
  const watching = (async () => {
    while (!answered.signal.aborted) {
      await sleep(runtime, waitMs / 10, { holdsProcessOpen: true, signal: answered.signal });
      if (!answered.signal.aborted && !isSameDeadHolder(first, await look(lock))) alive.abort();
    }
  })();
  try {
    return await lock.acquire({ wait: waitMs, metadata, signal: AbortSignal.any([signal, alive.signal]) });
  } catch (error) {
    const isHeld = error instanceof AcquireTimeoutError || (error instanceof AbortedError && !signal.aborted);
    if (isHeld) return null;
    throw error;
  } finally {
    answered.abort();
    await watching;
  }
}

/** Until `answered`: says who holds it, each time that changes, if anybody reads it. */
async function tellWhoHolds(
  options: AcquireLockOptions,
  answered: AbortSignal,
  refuse: (error: CommandFailure) => void,
): Promise<void> {
  const { lock, title, reporter, runtime, parentFence } = options;
  let told = "";
  for (let pauseMs = quietMs; !answered.aborted; pauseMs = lookEveryMs) {
    await sleep(runtime, pauseMs, { holdsProcessOpen: true, signal: answered });
    if (answered.aborted || !(reporter.showsProgress || parentFence !== undefined)) return;
    const inspection = await look(lock);
    if (answered.aborted) return;
    if (inspection?.holders.some(({ fence }) => String(fence) === parentFence)) {
      return refuse(
        new CommandFailure(
          exitCodes.usage,
          `this command runs under ${title} itself (LEASEHOLD_FENCE=${parentFence}) and would wait for its own end; run ` +
            "the inner command without leasehold, or use another name",
        ),
      );
    }
    const text = describeWait(title, inspection);
    if (text !== told) reporter.progress(text);
    told = text;
  }
}

/** What the store shows; `null` when it does not answer, because this is for messages only. */
async function look(lock: Acquirable): Promise<Inspection | null> {
  try {
    return await lock.inspect();
  } catch (error) {
    if (error instanceof LeaseholdError) return null;
    throw error;
  }
}
