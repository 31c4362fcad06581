import type { Finding, History, WorkerLog } from "../history.ts";
import { numbered } from "../worker-settings.ts";

/** Each step of a counter was made by one alone, and the counter went no further than somebody made or may have made it. */
export function checkSteps({ workers, finalNumbers }: History): Finding {
  const steps = workers.flatMap(({ worker, events }) =>
    events.flatMap((event) => (event.event === "stepped" ? [{ worker, number: event.from }] : [])),
  );
  const violations = givenTwice("the step from", steps);
  const steppedTo = finalNumbers?.steps ?? Number.NaN;
  if (!(steppedTo >= steps.length))
    violations.push(`the counter stands at ${steppedTo}, and ${steps.length} steps were confirmed`);
  return { examined: steps.length, violations };
}

interface Given {
  readonly worker: string;
  readonly name: string;
  readonly number: number;
  readonly calledAt: number;
  readonly at: number;
}

/** No number is given twice; in one process they rise; one by one they rise over all of them. */
export function checkUnique({ workers }: History): Finding {
  const given = workers.flatMap(givenIn);
  const violations = [numbered.blocks, numbered.risen].flatMap((name) => {
    const own = given.filter((other) => other.name === name);
    return givenTwice(name, own);
  });
  const risen = given.filter(({ name }) => name === numbered.risen).sort((a, b) => a.calledAt - b.calledAt);
  const byAnswer = risen.toSorted((a, b) => a.at - b.at);
  violations.push(...fallsBack(risen, byAnswer));
  for (const log of workers) {
    const own = givenIn(log).filter(({ name }) => name === numbered.blocks);
    violations.push(...fallsBack(own, own));
  }
  return { examined: given.length, violations };
}

function givenIn({ worker, events }: WorkerLog): Given[] {
  return events.flatMap((event) => (event.event === "numbered" ? [{ ...event, worker }] : []));
}

/** Who asked when somebody had got a number gets a larger one. */
function fallsBack(byCall: readonly Given[], byAnswer: readonly Given[]): string[] {
  let next = 0;
  let highest = Number.NEGATIVE_INFINITY;
  return byCall.flatMap(({ worker, name, number, calledAt }) => {
    for (let other = byAnswer[next]; other !== undefined && other.at < calledAt; other = byAnswer[next]) {
      highest = Math.max(highest, other.number);
      next += 1;
    }
    return number > highest ? [] : [`${worker} got ${number} of ${name} when ${highest} had been given`];
  });
}

/** Every number up to the last was begun by somebody, none was confirmed twice, and none beyond the last. */
export function checkGaps({ workers, finalNumbers }: History): Finding {
  const begun = new Set<number>();
  const issued: { readonly worker: string; readonly number: number }[] = [];
  for (const { worker, events } of workers) {
    for (const event of events) {
      if (event.event === "issuing") begun.add(event.number);
      if (event.event === "issued") issued.push({ worker, number: event.number });
    }
  }
  const last = finalNumbers?.lastIssued ?? 0;
  const missing = Array.from({ length: last }, (_, index) => index + 1).filter((it) => !begun.has(it));
  const violations = [
    ...missing.map((it) => `number ${it} counts as used, and nobody began it`),
    ...givenTwice(numbered.issued, issued),
    ...issued
      .filter(({ number }) => number > last)
      .map(({ worker, number }) => `${worker} issued ${number}, and only ${last} are used at the end`),
  ];
  return { examined: issued.length, violations };
}

function givenTwice(
  what: string,
  given: readonly { readonly worker: string; readonly number: number }[],
): string[] {
  const owners = new Map<number, string>();
  return given.flatMap(({ worker, number }) => {
    const other = owners.get(number);
    owners.set(number, worker);
    return other === undefined ? [] : [`${what} ${number} was given to ${other} and to ${worker}`];
  });
}
