import { type Checker, exclusiveUntilMs } from "./checker.ts";

/**
 * Nobody acts under a grant once somebody acted under a later one. A holder that is stopped does not act; when it goes
 * on, its first question tells it of the loss.
 */
export const holdersActInTurn: Checker = {
  name: "holders act in turn",
  check(history) {
    const untilMs = exclusiveUntilMs(history);
    const violations: string[] = [];
    const last = new Map<string, { readonly fence: number; readonly by: string }>();
    for (const event of history.events) {
      if (event.atMs >= untilMs) break;
      if (event.what !== "acted") continue;
      const newest = last.get(event.name);
      if (newest !== undefined && event.fence < newest.fence) {
        violations.push(
          `${event.name}: ${event.by} acted under fence ${event.fence} at ${event.atMs}, after ${newest.by} had acted ` +
            `under ${newest.fence}`,
        );
      } else last.set(event.name, event);
    }
    return violations;
  },
};

/**
 * Nobody is granted what a process that runs still believes to hold. One whose machine slept runs again with its first
 * question: no timer can tell it earlier.
 */
export const sectionsDoNotOverlap: Checker = {
  name: "critical sections do not overlap",
  check(history) {
    const untilMs = exclusiveUntilMs(history);
    const violations: string[] = [];
    const open = new Map<number, { readonly name: string; readonly by: string; readonly fence: number }>();
    const halted = new Set<string>();
    for (const event of history.events) {
      if (event.atMs >= untilMs) break;
      if (event.what === "process") {
        if (event.state === "stopped" || event.state === "crashed") halted.add(event.by);
        if (event.state === "resumed") halted.delete(event.by);
      }
      if (event.what === "acted" || event.what === "lost") halted.delete(event.by);
      if (event.what === "finished") open.delete(event.call);
      if (event.what !== "granted") continue;
      for (const [call, other] of open) {
        if (other.name !== event.name || halted.has(other.by)) continue;
        violations.push(
          `${event.name}: granted to ${event.by} (call ${event.call}, fence ${event.fence}) at ${event.atMs}, while ` +
            `${other.by} held it (call ${call}, fence ${other.fence})`,
        );
      }
      open.set(event.call, event);
    }
    return violations;
  },
};
