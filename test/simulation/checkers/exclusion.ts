import { type Checker, capacityOf, exclusiveUntilMs } from "./checker.ts";
import { Takings } from "./takings.ts";

/**
 * Of what only one may hold: nobody acts under a grant once somebody acted under a later one. A holder that is stopped
 * does not act; when it goes on, its first question tells it of the loss. One from whom it was taken may act until it
 * hears of that.
 */
export const holdersActInTurn: Checker = {
  name: "holders act in turn",
  check(history) {
    const untilMs = exclusiveUntilMs(history);
    const violations: string[] = [];
    const last = new Map<string, { readonly fence: number; readonly by: string }>();
    const takings = new Takings(history);
    for (const event of history.events) {
      if (event.atMs >= untilMs) break;
      takings.see(event);
      if (event.what !== "acted" || capacityOf(history, event.name) > 1) continue;
      const newest = last.get(event.name);
      if (newest !== undefined && event.fence < newest.fence) {
        if (event.atMs < (takings.untilMs(event.name, event.fence) ?? 0)) continue;
        violations.push(
          `${event.name}: ${event.by} acted under fence ${event.fence} at ${event.atMs}, after ${newest.by} had acted ` +
            `under ${newest.fence}`,
        );
      } else last.set(event.name, event);
    }
    return violations;
  },
};

interface Section {
  readonly call: number;
  readonly name: string;
  readonly by: string;
  readonly fence: number;
  readonly weight: number;
}

/**
 * No more is granted than there is, counting all that processes which run still believe to hold. One whose machine
 * slept runs again with its first question: no timer can tell it earlier.
 */
export const sectionsDoNotOverlap: Checker = {
  name: "critical sections do not overlap",
  check(history) {
    const untilMs = exclusiveUntilMs(history);
    const violations: string[] = [];
    const open = new Map<number, Section>();
    const halted = new Set<string>();
    const takings = new Takings(history);
    for (const event of history.events) {
      if (event.atMs >= untilMs) break;
      takings.see(event);
      const isExcused = ({ name, fence }: Section): boolean =>
        event.atMs < (takings.untilMs(name, fence) ?? 0);
      if (event.what === "process") {
        if (event.state === "stopped" || event.state === "crashed") halted.add(event.by);
        if (event.state === "resumed") halted.delete(event.by);
      }
      if (event.what === "acted" || event.what === "lost") halted.delete(event.by);
      if (event.what === "finished") open.delete(event.call);
      const known = event.what === "reweighed" ? open.get(event.call) : undefined;
      if (known !== undefined && event.what === "reweighed")
        open.set(event.call, { ...known, fence: event.fence, weight: event.weight });
      if (event.what === "granted") open.set(event.call, event);
      if (event.what !== "granted" && known === undefined) continue;
      const { call, name, by, atMs } = event as typeof event & Section;
      if (isExcused(event as typeof event & Section)) continue;
      const others = [...open.values()].filter(
        (it) => it.name === name && it.call !== call && !halted.has(it.by) && !isExcused(it),
      );
      const held = others.reduce((sum, { weight }) => sum + weight, open.get(call)?.weight ?? 0);
      if (others.length === 0 || held <= capacityOf(history, name)) continue;
      const told = others.map(
        (it) => `${it.by} held it (call ${it.call}, fence ${it.fence}, weight ${it.weight})`,
      );
      violations.push(`${name}: granted to ${by} (call ${call}) at ${atMs}, while ${told.join(" and ")}`);
    }
    return violations;
  },
};
