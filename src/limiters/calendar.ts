/** The window of a calendar. Weeks begin on Monday. */
export type CalendarUnit = "minute" | "hour" | "day" | "week" | "month";

/** One minute, hour, day, week or month. */
export interface CalendarSpan {
  readonly startsAtMs: number;
  readonly endsAtMs: number;
}

/** Where the windows of a time zone begin and end. */
export interface Calendar {
  /** The window that this moment lies in. */
  windowAt(ms: number): CalendarSpan;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** 1970-01-05 was a Monday. */
const firstMondayMs = 4 * dayMs;

/** The longest that a window of each unit can be; a day of 25 hours has been seen. */
export const unitMaxMs: Readonly<Record<CalendarUnit, number>> = {
  minute: minuteMs,
  hour: hourMs,
  day: dayMs + hourMs,
  week: 7 * dayMs + hourMs,
  month: 31 * dayMs + hourMs,
};

/** The windows of a unit in an IANA time zone. @throws RangeError for a time zone that there is not. */
export function calendarOf(unit: CalendarUnit, timeZone: string): Calendar {
  const offsetMs = offsetIn(timeZone);
  const make = (ms: number): CalendarSpan => {
    const offset = offsetMs(ms);
    const local = ms + offset;
    if (unit === "minute" || unit === "hour") {
      const lengthMs = unit === "minute" ? minuteMs : hourMs;
      const startsAtMs = Math.floor(local / lengthMs) * lengthMs - offset;
      return { startsAtMs, endsAtMs: startsAtMs + lengthMs };
    }
    const [start, end] = localSpan(unit, local);
    return { startsAtMs: toInstant(start, offsetMs), endsAtMs: toInstant(end, offsetMs) };
  };
  let last: CalendarSpan = { startsAtMs: 0, endsAtMs: 0 };
  return {
    windowAt: (ms) => {
      if (ms < last.startsAtMs || ms >= last.endsAtMs) last = make(ms);
      return last;
    },
  };
}

function localSpan(unit: "day" | "week" | "month", local: number): readonly [start: number, end: number] {
  const day = Math.floor(local / dayMs) * dayMs;
  if (unit === "day") return [day, day + dayMs];
  if (unit === "week") {
    const start = Math.floor((local - firstMondayMs) / (7 * dayMs)) * 7 * dayMs + firstMondayMs;
    return [start, start + 7 * dayMs];
  }
  const date = new Date(local);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return [Date.UTC(year, month), Date.UTC(year, month + 1)];
}

/** The moment at which a clock of the zone shows this. Where it shows it twice, the first; where never, the jump. */
function toInstant(local: number, offsetMs: (ms: number) => number): number {
  const before = local - offsetMs(local - dayMs);
  const after = local - offsetMs(local + dayMs);
  const shown = [before, after].filter((ms) => ms + offsetMs(ms) === local);
  return shown.length === 0 ? before : Math.min(...shown);
}

/** By how much local time is ahead of UTC. */
function offsetIn(timeZone: string): (ms: number) => number {
  if (timeZone === "UTC") return () => 0;
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  });
  return (ms) => {
    const wholeMs = Math.floor(ms / 1_000) * 1_000;
    const parts = Object.fromEntries(
      format.formatToParts(wholeMs).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs;
  };
}
