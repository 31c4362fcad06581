import type { Duration } from "../core/durations.ts";

/** The window of a calendar. Weeks begin on Monday. */
export type CalendarUnit = "minute" | "hour" | "day" | "week" | "month";

/** One limit. */
export type Policy =
  | {
      /** Shown in decisions and headers. Default: `default`, or the limit and window where there are several. */
      readonly name?: string;
      /** How many tokens in one `per`: a whole number from 1 to 2^40. */
      readonly limit: number;
      /** Over how long: 10 ms to 366 days. */
      readonly per: Duration;
      /**
       * `token-bucket` (default): tokens come back evenly, and at most `burst` are had at once. `fixed-window`: the
       * limit is had anew once `per` has passed since the first token. `sliding-window`: never more than the limit in
       * any stretch of `per`.
       */
      readonly algorithm?: "token-bucket" | "fixed-window" | "sliding-window";
      /** For `token-bucket`: the most that is had at once. Default: the limit. */
      readonly burst?: number;
    }
  | {
      readonly name?: string;
      readonly limit: number;
      readonly per: CalendarUnit;
      /** The limit is had anew when the next minute, hour, day, week or month begins. */
      readonly algorithm: "calendar-window";
      /** An IANA time zone, as `Europe/Berlin`. Default: `UTC`. */
      readonly timeZone?: string;
    };

/** A {@link Policy} with its defaults. */
export interface ResolvedPolicy {
  readonly name: string;
  readonly algorithm: "token-bucket" | "fixed-window" | "sliding-window" | "calendar-window";
  readonly limit: number;
  /** The most at once: the `burst` of a token bucket, else the limit. */
  readonly burst: number;
  /** The window; that of a calendar at its longest. */
  readonly windowMs: number;
  readonly per: CalendarUnit | undefined;
  readonly timeZone: string | undefined;
}
