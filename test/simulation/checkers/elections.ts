import type { Entrant } from "../../../src/roster/roster.ts";
import { type Checker, firstDisasterMs, idOf, type RosterStep, stepsIn } from "./checker.ts";
import { Liberties, orderWith } from "./liberties.ts";

/** What a resignation says became of it: the write that ended the term elected the candidate it names, or none was there. */
export const handOversElectTheNamed: Checker = {
  name: "a hand-over elects whom it names",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const pending = new Map<number, { readonly name: string; readonly fence: number; readonly to: string }>();
    const ends = new Map<string, RosterStep>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      for (const step of stepsIn(event)) {
        for (const { fence } of step.before.holders) {
          if (!step.after.holders.some((holder) => holder.fence === fence))
            ends.set(`${step.name}/${fence}`, step);
        }
      }
      if (event.what === "handing over") pending.set(event.call, event);
      const asked = event.what === "handed over" ? pending.get(event.call) : undefined;
      const end = asked && ends.get(`${asked.name}/${asked.fence}`);
      if (event.what !== "handed over" || asked === undefined || event.outcome === "resigned") continue;
      const isNamed = ({ identity }: Entrant): boolean => identity === asked.to;
      const next = end?.after.holders[0];
      const isTrue =
        event.outcome === "handed-over"
          ? next !== undefined && isNamed(next)
          : end !== undefined && !waitersWhoStay(end).some(isNamed);
      if (!isTrue) {
        violations.push(
          `${event.name}: call ${event.call} said ${event.outcome} to ${asked.to}; next was ${next?.identity ?? "nobody"}`,
        );
      }
    }
    return violations;
  },
};

/** Those who waited before a step, and did not give up in it. */
function waitersWhoStay({ before, after }: RosterStep): readonly Entrant[] {
  const stands = new Set([...after.holders, ...after.waiters].map(idOf));
  return before.waiters.filter((waiter) => stands.has(idOf(waiter)));
}

/** Who comes back leads on at once, or stands in line where its earlier life stood, with nobody passed. */
export const whoComesBackKeepsItsPlace: Checker = {
  name: "who comes back stands where its earlier life stood",
  check(history) {
    const violations: string[] = [];
    const liberties = new Liberties();
    for (const event of history.events) {
      liberties.see(event);
      for (const step of stepsIn(event)) {
        if (!liberties.areAllBack(step)) continue;
        for (const back of liberties.returnsIn(step)) {
          const served = [...step.after.holders, ...step.after.waiters].map(idOf);
          const kept = orderWith(back, step)
            .map(idOf)
            .filter((id) => served.includes(id));
          const order = served.filter((id) => kept.includes(id));
          if (kept.every((id, index) => order[index] === id)) continue;
          violations.push(
            `${step.name}: ${idOf(back.entrant)} came back at ${step.atMs}: [${order}], and not [${kept}]`,
          );
        }
      }
    }
    return violations;
  },
};
