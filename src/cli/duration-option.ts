import { usageError } from "./failure.ts";

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration from the command line, always with its unit: nobody has to know whether `5` means seconds. Only `0`
 * means the same in all of them.
 *
 * @param orElse what else may be given, for the message.
 * @returns milliseconds.
 * @throws CommandFailure (64) for any other text.
 */
export function parseDurationOption(
  option: string,
  text: string,
  {
    minMs = 0,
    maxMs = 36_500 * 86_400_000,
    orElse,
  }: { readonly minMs?: number; readonly maxMs?: number; readonly orElse?: string } = {},
): number {
  if (text === "0" && minMs === 0) return 0;
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const milliseconds = Number(amount) * (unitMs[unit] ?? Number.NaN);
  if (milliseconds >= minMs && milliseconds <= maxMs) return milliseconds;
  throw usageError(
    `${option} must be a length of time from ${formatDuration(minMs)} to ${formatDuration(maxMs)} with its unit, such ` +
      `as 500ms, 5s, 2m, 1h or 7d${orElse === undefined ? "" : `, or ${orElse}`}; got ${JSON.stringify(text)}`,
  );
}

/**
 * Reads for how long something is kept: a duration, or `forever`.
 *
 * @returns milliseconds; `null`: without an end.
 * @throws CommandFailure (64) for any other text.
 */
export function parseLifetimeOption(option: string, text: string): number | null {
  if (text === "forever") return null;
  return parseDurationOption(option, text, { minMs: 1, orElse: "forever" });
}

/** A duration as a person writes it: `500ms`, `7.5s`, `2m`, `1.5h`. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(unitMs).reverse();
  const [unit, size] = units.find(([, each]) => milliseconds >= each) ?? ["ms", 1];
  return `${Number((milliseconds / size).toFixed(unit === "ms" ? 0 : 1))}${unit}`;
}
