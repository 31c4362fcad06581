import { type Checker, firstDisasterMs, stepsIn } from "./checker.ts";
import { removedFences, Takings } from "./takings.ts";

interface Forced {
  readonly name: string;
  readonly fence: number | undefined;
  /** Fences of those who stood there when it was asked for, and have stood there ever since. */
  readonly stood: Set<number>;
}

/** Once it says that it took something, nobody is left who held it all the time; and fences have risen over them. */
export const forcedReleasesTake: Checker = {
  name: "a forced release takes what it says",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const open = new Map<number, Forced>();
    const holders = new Map<string, readonly number[]>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      for (const { name, atMs, before, after } of stepsIn(event)) {
        const fences = after.holders.map(({ fence }) => fence);
        holders.set(name, fences);
        for (const { name: asked, stood } of open.values()) {
          if (asked === name) for (const fence of stood) if (!fences.includes(fence)) stood.delete(fence);
        }
        const removed = removedFences(before, after);
        if (removed.size > 0 && after.fence <= before.fence) {
          violations.push(
            `${name}: the fence stayed ${after.fence} when ${[...removed]} were taken at ${atMs}`,
          );
        }
      }
      if (event.what === "force asked") {
        const { call, name, fence } = event;
        const all = holders.get(name) ?? [];
        open.set(call, {
          name,
          fence,
          stood: new Set(all.filter((each) => fence === undefined || each === fence)),
        });
      }
      if (event.what !== "forced") continue;
      const { stood = new Set() } = open.get(event.call) ?? {};
      open.delete(event.call);
      if (stood.size > 0 && event.taken) {
        violations.push(
          `${event.name}: call ${event.call} said ${event.taken ? "it was taken" : "nobody held it"}, and ${[...stood]} stood there all the time`,
        );
      }
    }
    return violations;
  },
};

/** Before a grant is taken, a message to its holder stands in the record of its session; unless its lease has ended. */
export const theTakenAreTold: Checker = {
  name: "who is taken out by force is told first",
  check(history) {
    if (!history.plan.isDriftTolerated) return [];
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const takings = new Takings(history);
    const forced = new Set<string>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      if (event.what === "force asked") forced.add(event.name);
      for (const { name, by, holder, wasTold, atMs } of takings.see(event)) {
        if (!forced.has(name) || wasTold) continue;
        violations.push(
          `${name}: ${by} took fence ${holder.fence} at ${atMs}, and nobody had told its holder`,
        );
      }
    }
    return violations;
  },
};
