import { conflictPauseMs } from "../core/backoff.ts";
import {
  CorruptRecordError,
  LimitExceededError,
  OutcomeUnknownError,
  UnavailableError,
} from "../core/errors.ts";
import { decodeJson, encodeJson } from "../core/json.ts";
import { sleep } from "../core/runtime.ts";
import type { RecordHost } from "../records/record-host.ts";
import { endMs, epochMs } from "./id-layout.ts";

/** A stretch of time that is one generator's alone: no id of its worker has a time in it, nor will of any other. */
export interface ReservedTime {
  /** The first millisecond of it. */
  readonly fromMs: number;
  /** The first millisecond after it. */
  readonly untilMs: number;
  /** What the time was, and the monotonic clock then. */
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** How far ahead of now time is reserved. Ids are never further ahead than that. */
export const horizonMs = 3_000;
/** What a store's clock may have been set back by; beyond that ids would be of a far future. */
const behindMaxMs = 60_000;
const attemptsMax = 100;
const format = "worker-time/1";

interface Known {
  readonly untilMs: number;
  readonly version: string | null;
}

/**
 * Reserves time for the ids of one worker number, in a record of its own. Each reservation begins where the one before
 * ended, whoever made that: it is a conditional write that expects it. So no two generators ever have the same
 * millisecond of the same number, whatever clocks and leases do.
 */
export class TimeReservations {
  readonly #host: RecordHost;
  readonly #key: string;
  readonly #subject: string;
  #known: Known | undefined;

  constructor(host: RecordHost, key: string, subject: string) {
    this.#host = host;
    this.#key = key;
    this.#subject = subject;
  }

  /**
   * Reserves what comes after everything that was reserved before, up to three seconds from now. `undefined`: all of it
   * is reserved already, perhaps by somebody else.
   *
   * @throws UnavailableError when the store is away, or its clock was set back by more than a minute.
   */
  async reserve(): Promise<ReservedTime | undefined> {
    const { backend, runtime } = this.#host;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const known = this.#known ?? (await this.#read());
      const nowMs = await this.#now();
      const monotonicMs = runtime.monotonicMs();
      const untilMs = Math.ceil(nowMs) + horizonMs;
      if (known.untilMs - untilMs > behindMaxMs) throw setBack(this.#subject, known.untilMs - nowMs);
      // What is known may be old, but what is reserved never becomes less.
      if (known.untilMs >= untilMs) return undefined;
      if (untilMs > endMs) throw endOfTime(this.#subject);
      const sentAtMs = runtime.monotonicMs();
      try {
        const value = encodeJson({ format, until: untilMs });
        const put = { kind: "put", key: this.#key, value, expect: known.version } as const;
        const result = await backend.commit([put]);
        if (result.committed) {
          this.#known = { untilMs, version: result.versions[0] ?? null };
          return { fromMs: Math.max(known.untilMs, epochMs), untilMs, nowMs, monotonicMs };
        }
        const current = result.conflicts[0]?.current;
        this.#known = current === undefined ? undefined : this.#decode(current);
      } catch (error) {
        // If it was applied, nobody uses what it reserved; a late copy of it meets the next one and is refused.
        this.#known = undefined;
        if (!(error instanceof OutcomeUnknownError)) throw error;
      }
      await sleep(runtime, conflictPauseMs(runtime, attempt, runtime.monotonicMs() - sentAtMs), {
        holdsProcessOpen: true,
      });
    }
    throw new UnavailableError(`others kept reserving the time of ${this.#subject}; nothing was reserved`);
  }

  /** This process's wall clock, as far as the store's clock allows: a wrong one counts for nothing. */
  async #now(): Promise<number> {
    const { clock, runtime } = this.#host;
    const { earliestMs, latestMs } = await clock.now();
    return Math.min(latestMs, Math.max(earliestMs, runtime.wallMs()));
  }

  async #read(): Promise<Known> {
    const [record] = await this.#host.backend.get([this.#key]);
    return this.#decode(record ?? null);
  }

  #decode(record: { readonly value: Uint8Array; readonly version: string } | null): Known {
    if (record === null) return { untilMs: 0, version: null };
    const found = decodeJson(this.#key, record.value) as { format?: unknown; until?: unknown } | null;
    if (found?.format === format && Number.isSafeInteger(found.until)) {
      return { untilMs: found.until as number, version: record.version };
    }
    throw new CorruptRecordError(
      `the record under key ${this.#key} is not one of the format ${format}. Something else wrote to it, or a newer ` +
        "leasehold did. Nothing was changed; use another name, or upgrade",
    );
  }
}

function setBack(subject: string, aheadMs: number): UnavailableError {
  return new UnavailableError(
    `${subject} has made ids of a time that is ${Math.round(aheadMs / 1_000)} s ahead of the store's clock: somebody set ` +
      "that back. Ids are made again when it has come so far; until then use another name",
  );
}

function endOfTime(subject: string): LimitExceededError {
  return new LimitExceededError(
    `${subject} has no ids left: the store's clock is beyond ${new Date(endMs).toISOString()}`,
  );
}
