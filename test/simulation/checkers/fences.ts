import type { Holder } from "../../../src/roster/roster.ts";
import { wallEpochMs } from "../../../src/testing/simulation/simulated-process.ts";
import { type Checker, disastersOf, firstDisasterMs, idOf, rosterSteps } from "./checker.ts";

/** Fences of a name rise with every grant, for ever; over a wiped store as long as wall clocks are right. */
export const fencesRise: Checker = {
  name: "fences rise",
  check(history) {
    const violations: string[] = [];
    const disastersMs = disastersOf(history);
    const largest = new Map<string, number>();
    for (const { atMs, name, before, after } of rosterSteps(history.events)) {
      const lastDisasterMs = disastersMs.findLast((each) => each <= atMs);
      const isPromised = lastDisasterMs === undefined || history.plan.areWallClocksRight;
      const known = new Set(before.holders.map(grantOf));
      for (const holder of after.holders) {
        if (known.has(grantOf(holder))) continue;
        const highest = largest.get(name) ?? 0;
        // A write that was sent before the store was wiped or rolled back, and landed after it: resources refuse it.
        const grantedMs = holder.fence / 1_000 - wallEpochMs;
        const isOvertaken = lastDisasterMs !== undefined && grantedMs > 0 && grantedMs <= lastDisasterMs;
        if (isPromised && holder.fence <= highest && !isOvertaken) {
          violations.push(
            `${name}: ${idOf(holder)} was given fence ${holder.fence} after ${highest} at ${atMs}`,
          );
        }
        largest.set(name, Math.max(highest, holder.fence));
      }
    }
    return violations;
  },
};

/** What was granted later has a larger fence, as clients see it: no two grants share one. */
export const grantsHaveFencesOfTheirOwn: Checker = {
  name: "each grant has a fence of its own",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const calls = new Map<string, number>();
    for (const event of history.events) {
      if (event.what !== "granted") continue;
      if (event.atMs >= disasterMs && !history.plan.areWallClocksRight) break;
      const key = `${event.name}/${event.fence}`;
      const other = calls.get(key);
      if (other !== undefined) violations.push(`${key} was granted to calls ${other} and ${event.call}`);
      calls.set(key, event.call);
    }
    return violations;
  },
};

/** A resource that checks fences never accepts a write of an earlier grant after one of a later grant. */
export const resourceIsSafe: Checker = {
  name: "a resource that checks fences is safe",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const orders = new Map<string, number>();
    const accepted = new Map<string, { readonly order: number; readonly call: number }>();
    // The order of grants is that of the commits that made them.
    const ordersOfFences = new Map<string, number[]>();
    let admissions = 0;
    for (const { name, before, after } of rosterSteps(history.events)) {
      const known = new Set(before.holders.map(grantOf));
      for (const holder of after.holders) {
        if (known.has(grantOf(holder))) continue;
        const key = `${name}/${holder.fence}`;
        admissions += 1;
        ordersOfFences.set(key, [...(ordersOfFences.get(key) ?? []), admissions]);
      }
    }
    for (const event of history.events) {
      if (event.what === "granted") {
        orders.set(
          `${event.call}#${event.fence}`,
          ordersOfFences.get(`${event.name}/${event.fence}`)?.shift() ?? -1,
        );
      }
      if (event.what !== "written" || !event.accepted) continue;
      if (event.atMs >= disasterMs && !history.plan.areWallClocksRight) break;
      // A grant that was upgraded has another fence, which nobody else has.
      const upgraded = ordersOfFences.get(`${event.name}/${event.fence}`)?.[0];
      const order = orders.get(`${event.call}#${event.fence}`) ?? upgraded ?? -1;
      const last = accepted.get(event.name);
      if (last !== undefined && order < last.order) {
        violations.push(
          `${event.name}: a write of call ${event.call} was accepted after one of call ${last.call}`,
        );
      } else accepted.set(event.name, { order, call: event.call });
    }
    return violations;
  },
};

/** A grant of an entrant: who upgrades has another one. */
function grantOf(holder: Holder): string {
  return `${idOf(holder)}#${holder.fence}`;
}
