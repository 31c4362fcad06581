import { InvalidArgumentError } from "./errors.ts";

/**
 * A length of time: a number of milliseconds, or text such as `"500ms"`, `"5s"`, `"1.5m"`, `"1h"`, `"7d"`.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:", { ttl: "10s" });
 * await using grant = await coordinator.lock("report").acquire({ wait: 2_000 });
 * ```
 */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a duration may be, beyond a finite number that is not negative. */
export interface DurationRange {
  /** The smallest length that is accepted. Default: 0. */
  readonly minMs?: number;
  /** The largest length that is accepted. Default: a hundred years. */
  readonly maxMs?: number;
  /** Accept `Infinity`. Default: false. */
  readonly infinite?: boolean;
}

/** Shown to who wrote something else, as far as they are within the range. */
const exampleTexts = ["10ms", "500ms", "5s", "2m", "1h", "7d"];
const hundredYearsMs = 100 * 365 * 86_400_000;

/**
 * Turns a {@link Duration} into milliseconds, once, at the edge.
 *
 * @throws InvalidArgumentError for text of another form, NaN, negative numbers, and what `range` excludes.
 */
export function parseDuration(option: string, value: Duration, range: DurationRange = {}): number {
  const milliseconds = toMilliseconds(value);
  const { minMs = 0, maxMs = hundredYearsMs, infinite = false } = range;
  if (infinite && milliseconds === Number.POSITIVE_INFINITY) return milliseconds;
  if (milliseconds === undefined || !(milliseconds >= minMs && milliseconds <= maxMs)) {
    const examples = exampleTexts.filter((text) => isWithin(text, minMs, maxMs)).map((text) => `"${text}"`);
    throw new InvalidArgumentError(
      `${option} must be a duration from ${readable(minMs)} to ${readable(maxMs)}${infinite ? " or Infinity" : ""}, as a number of ` +
        `milliseconds or text such as ${examples.join(", ")}; got ${describe(value)}`,
    );
  }
  return milliseconds;
}

/** The largest unit that leaves a whole number: nobody reads 3153600000000 ms. */
function readable(milliseconds: number): string {
  for (const [unit, each] of Object.entries(unitMs).reverse()) {
    if (unit !== "ms" && milliseconds >= each && milliseconds % each === 0)
      return `${milliseconds / each}${unit}`;
  }
  return `${milliseconds} ms`;
}

function isWithin(text: string, minMs: number, maxMs: number): boolean {
  const milliseconds = toMilliseconds(text) ?? Number.NaN;
  return milliseconds >= minMs && milliseconds <= maxMs;
}

function toMilliseconds(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value);
  const unit = unitMs[match?.[2] ?? ""];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** A short, safe rendering of a value that was refused, for error messages. Runs no code of the value's own. */
export function describe(value: unknown): string {
  const text = rendering(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function rendering(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "function" ? "a function" : String(value);
}
