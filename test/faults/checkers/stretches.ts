import type { History, Share, WorkerLog } from "../history.ts";

/** A time during which somebody certainly held the same share of something, from his own log. */
export interface Stretch {
  readonly worker: string;
  readonly call: number;
  readonly name: string;
  readonly fence: number;
  readonly share: Share;
  readonly from: number;
  readonly to: number;
}

/** What a request that was granted has said so far: each change of its share, and the last proof that it is held. */
interface Held {
  readonly name: string;
  readonly changes: { readonly at: number; readonly share: Share; readonly fence: number }[];
  heldAt?: number;
}

/**
 * Every stretch of a history, by the name of what was held. It ends with the last moment at which the holder asked and
 * its lease was still good. More counts from when it was told, and less from before it was asked for, so that no
 * stretch claims what was not so.
 */
export function stretchesIn(history: History): ReadonlyMap<string, readonly Stretch[]> {
  return Map.groupBy(history.workers.flatMap(stretchesOf), ({ name }) => name);
}

function stretchesOf({ worker, events }: WorkerLog): Stretch[] {
  const all = new Map<number, Held>();
  for (const event of events) {
    if (event.event === "granted") {
      const { at, call, name, fence, share = 1 } = event;
      all.set(call, { name, changes: [{ at, share, fence }] });
      continue;
    }
    const held = "call" in event ? all.get(event.call) : undefined;
    const fence = held?.changes.at(-1)?.fence;
    if (held === undefined || fence === undefined) continue;
    if (event.event === "held") held.heldAt = event.at;
    if (event.event === "share") held.changes.push({ at: event.at, share: event.share, fence });
    if (event.event === "upgraded") held.changes.push({ at: event.at, share: "write", fence: event.fence });
  }
  return [...all].flatMap(([call, { name, changes, heldAt }]) =>
    changes.flatMap(({ at: from, share, fence }, index) => {
      const to = Math.min(heldAt ?? Number.NEGATIVE_INFINITY, changes[index + 1]?.at ?? heldAt ?? 0);
      return to < from ? [] : [{ worker, call, name, fence, share, from, to }];
    }),
  );
}

/** What one checker says of those who are inside at the same time; nothing where all is well. */
export type Rule = (inside: readonly Stretch[]) => string | undefined;

/** Asks the rule each time somebody enters: only then can it begin to be broken. */
export function whoIsInside(
  stretches: readonly Stretch[],
  rule: Rule,
): { readonly together: number; readonly violations: readonly string[] } {
  const violations: string[] = [];
  let together = 0;
  let inside: readonly Stretch[] = [];
  for (const stretch of [...stretches].sort((left, right) => left.from - right.from)) {
    inside = [...inside.filter(({ to }) => to > stretch.from), stretch];
    if (inside.length > 1) together += 1;
    const broken = rule(inside);
    if (broken === undefined) continue;
    const untilAt = Math.min(...inside.map(({ to }) => to));
    violations.push(
      `${stretch.name}: ${broken} at ${stretch.from.toFixed(1)}, for ${(untilAt - stretch.from).toFixed(1)} ms: ` +
        inside.map(({ worker, share, fence }) => `${worker} has ${share} (fence ${fence})`).join(", "),
    );
  }
  return { together, violations };
}
