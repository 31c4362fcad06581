import { usageError } from "./failure.ts";

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration from the command line, always with its unit: nobody has to know whether `5` means seconds.
 *
 * @returns milliseconds.
 * @throws CommandFailure (64) for any other text.
 */
export function parseDurationOption(
  option: string,
  text: string,
  { minMs = 0, maxMs = 36_500 * 86_400_000 }: { readonly minMs?: number; readonly maxMs?: number } = {},
): number {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const milliseconds = Number(amount) * (unitMs[unit] ?? Number.NaN);
  if (milliseconds >= minMs && milliseconds <= maxMs) return milliseconds;
  throw usageError(
    `${option} must be a length of time from ${formatDuration(minMs)} to ${formatDuration(maxMs)} with its unit, such ` +
      `as 500ms, 5s, 2m, 1h or 7d; got ${JSON.stringify(text)}`,
  );
}

/** A duration as a person writes it: `500ms`, `7.5s`, `2m`, `1.5h`. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(unitMs).reverse();
  const [unit, size] = units.find(([, each]) => milliseconds >= each) ?? ["ms", 1];
  return `${Number((milliseconds / size).toFixed(unit === "ms" ? 0 : 1))}${unit}`;
}
