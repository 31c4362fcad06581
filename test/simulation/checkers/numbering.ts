import type { History } from "../history.ts";
import { exactName, gapFreeName } from "../workloads/sequences.ts";
import { type Checker, firstDisasterMs } from "./checker.ts";

const allowedCodes = new Set(["LEASE_LOST", "CLOSED", "UNAVAILABLE", "OUTCOME_UNKNOWN", "STORE_MISSING"]);

/** No number comes twice; they rise in each process, and with `block: 1` in all of them. */
export const numbersAreUniqueAndRise: Checker = {
  name: "numbers are unique and rise",
  check(history) {
    const violations = [...refusals(history)];
    if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return violations;
    const given = new Map<string, Set<number>>();
    const newest = new Map<string, number>();
    const largest = new Map<string, number>();
    /** The largest number of the sequence that was there when the call began. */
    const askedAfter = new Map<number, number>();
    for (const event of history.events) {
      if (event.what === "numbers asked") askedAfter.set(event.call, largest.get(event.name) ?? 0);
      if (event.what !== "numbered") continue;
      const { by, call, name, first, last } = event;
      const numbers = given.get(name) ?? new Set();
      given.set(name, numbers);
      for (let number = first; number <= last; number += 1) {
        if (numbers.has(number)) violations.push(`${name}: ${number} was given twice, last in call ${call}`);
        numbers.add(number);
      }
      const before = newest.get(`${by} ${name}`) ?? 0;
      if (name !== gapFreeName && first <= before)
        violations.push(`${by}: ${name} went from ${before} to ${first}`);
      newest.set(`${by} ${name}`, last);
      largest.set(name, Math.max(largest.get(name) ?? 0, last));
      const floor = askedAfter.get(call) ?? 0;
      const isOrdered = name === exactName || name === gapFreeName;
      if (isOrdered && first <= floor) {
        violations.push(`${name}: call ${call} got ${first}, and began after somebody had ${floor}`);
      }
    }
    return violations;
  },
};

/** A number is worked with when the one before was, and counts as used at most once, when its work is done. */
export const numbersHaveNoGaps: Checker = {
  name: "numbers without gaps have none",
  check(history) {
    if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
    const violations: string[] = [];
    let written = 0;
    let used = 0;
    const works = new Map<number, number>();
    for (const event of history.events) {
      if (event.what === "number written") {
        if (event.number > written + 1)
          violations.push(`${event.number} was written, and ${written + 1} was not`);
        written = Math.max(written, event.number);
        works.set(event.call, event.number);
      }
      if (event.what === "numbered" && event.name === gapFreeName) {
        if (works.get(event.call) !== event.first)
          violations.push(`${event.first} is used, and was not written`);
      }
      if (event.what !== "store") continue;
      for (const { after } of event.changes) {
        if (after?.kind !== "roster" || after.name !== gapFreeName) continue;
        const note = after.roster.note as { readonly used: number } | undefined;
        const now = note?.used ?? 0;
        if (now < used || now > written)
          violations.push(`${now} counts as used: ${used} was, ${written} is written`);
        used = now;
      }
    }
    return violations;
  },
};

/** What callers are told is documented; and once the faults stop they get what they ask for. */
function* refusals({ events }: History): Generator<string> {
  const inPeace = new Set<number>();
  let isCalm = false;
  for (const event of events) {
    if (event.what === "calm") isCalm = true;
    if (event.what === "numbers asked" && isCalm) inPeace.add(event.call);
    if (event.what !== "not numbered") continue;
    const isAllowed = allowedCodes.has(event.code) && !(inPeace.has(event.call) && event.code !== "CLOSED");
    if (!isAllowed) yield `call ${event.call} for a number failed with ${event.code}`;
  }
}
