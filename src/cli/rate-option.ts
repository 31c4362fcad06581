import type { Policy } from "../index.ts";
import { parseDurationOption } from "./duration-option.ts";
import { usageError } from "./failure.ts";

/** The options that say what a limit is, as commander answers them. */
export interface RateOptions {
  readonly rate?: readonly string[];
  readonly algorithm?: string;
  readonly burst?: string;
  readonly timeZone?: string;
}

const calendarUnits = ["minute", "hour", "day", "week", "month"] as const;
const algorithms = ["token-bucket", "fixed-window", "sliding-window"] as const;
const windowMaxMs = 366 * 86_400_000;

/**
 * Reads `--rate 10/1m` and what goes with it.
 *
 * @throws CommandFailure (64) for what is no rate; ranges are checked by the limiter.
 */
export function parseRates({ rate: rates = [], algorithm, burst, timeZone }: RateOptions): readonly Policy[] {
  if (rates.length === 0) {
    throw usageError("limit needs a rate, as --rate 10/1m for ten in any minute or --rate 1000/day");
  }
  const isWindow = (text: string): boolean => calendarUnitIn(text) === undefined;
  if (timeZone !== undefined && rates.every(isWindow)) {
    throw usageError("--time-zone belongs to rates of the calendar, as --rate 1000/day");
  }
  if ((algorithm !== undefined || burst !== undefined) && !rates.some(isWindow)) {
    throw usageError("--algorithm and --burst belong to rates over a length of time, as --rate 100/1h");
  }
  if (burst !== undefined && rates.filter(isWindow).length > 1) {
    throw usageError("--burst goes with one rate over a length of time; which of them is meant is not clear");
  }
  const known = algorithm === undefined ? {} : { algorithm: parseAlgorithm(algorithm) };
  const most = burst === undefined ? {} : { burst: parseWhole("--burst", burst) };
  return rates.map((text): Policy => {
    const [limit, per] = splitRate(text);
    const unit = calendarUnitIn(text);
    if (unit !== undefined) {
      return {
        ...{ limit, per: unit, algorithm: "calendar-window" },
        ...(timeZone !== undefined && { timeZone }),
      };
    }
    const windowMs = parseDurationOption(`the time in --rate ${text}`, per, {
      minMs: 10,
      maxMs: windowMaxMs,
    });
    return { limit, per: windowMs, ...known, ...most };
  });
}

function splitRate(text: string): readonly [limit: number, per: string] {
  const [, limit, per = ""] = /^(\d+)\/(.+)$/.exec(text) ?? [];
  if (limit !== undefined) {
    const unit = /^(?:ms|s|m|h|d)$/.test(per) ? `${limit}/1${per}` : undefined;
    if (unit === undefined) return [Number(limit), per];
    throw usageError(`--rate needs a length of time: write ${unit}; got ${JSON.stringify(text)}`);
  }
  throw usageError(
    `--rate must be a whole number and a time, such as 10/1m, 100/1h or 1000/day; got ${JSON.stringify(text)}`,
  );
}

function calendarUnitIn(text: string): (typeof calendarUnits)[number] | undefined {
  return calendarUnits.find((unit) => text.endsWith(`/${unit}`));
}

function parseAlgorithm(text: string): (typeof algorithms)[number] {
  const known = algorithms.find((algorithm) => algorithm === text);
  if (known !== undefined) return known;
  throw usageError(
    `--algorithm must be one of ${algorithms.join(", ")}; got ${JSON.stringify(text)}. A rate such as 1000/day follows ` +
      "the calendar by itself",
  );
}

function parseWhole(option: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw usageError(`${option} must be a whole number from 1 to 2^40; got ${JSON.stringify(text)}`);
}
