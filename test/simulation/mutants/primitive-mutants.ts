import { type Mutant, mutant } from "./mutant.ts";

const intervene = "administration/intervene.ts";
const partitions = "groups/partition-run.ts";
const slots = "schedules/slot-note.ts";

/** Bugs in what stands on the queue: taking by force, elections, groups, schedules, barriers, web locks. */
export const primitiveMutants: readonly Mutant[] = [
  mutant(
    "who is taken out by force is not told",
    intervene,
    '  await tell(context, told, { kind: "released", reason });\n',
    "",
    "who is taken out by force is told first",
  ),
  mutant(
    "a forced release raises no fence",
    "roster/removal.ts",
    "fence: nextFence(left.fence, removal.atMs),",
    "fence: left.fence,",
    "a forced release takes what it says",
  ),
  mutant(
    "a forced release leaves those whom its first read did not show",
    intervene,
    "  if (untold.length === 0) return wasHeld;",
    "  if (untold.length >= 0) return true;",
    "a forced release takes what it says",
  ),
  {
    ...mutant(
      "a hand-over elects whoever is next",
      "elections/leadership.ts",
      "return promote(roster, ({ identity }) => identity === to);",
      "return roster;",
      "a hand-over elects whom it names",
    ),
    theme: "elections",
  },
  {
    ...mutant(
      "who comes back stands at the end",
      "elections/earlier-life.ts",
      "  if (!hasLed && stoodAt < 0) return",
      "  if (healed !== roster) return",
      "who comes back stands where its earlier life stood",
    ),
    theme: "elections",
  },
  {
    ...mutant(
      "a member keeps what it has too much of",
      partitions,
      "kept.slice(quota)",
      "kept.slice(quota + 1)",
      "everybody makes progress once the faults stop",
    ),
    theme: "groups",
  },
  {
    ...mutant(
      "partitions of who died stay with its name",
      partitions,
      "return holder !== undefined && !sessions.has(holder.session);",
      "return holder !== undefined && !present.some((it) => it.identity !== undefined ? it.identity === holder.identity : it.session === holder.session);",
      "everybody makes progress once the faults stop",
    ),
    theme: "groups",
  },
  {
    ...mutant(
      "two members own one partition",
      partitions,
      "const request = { ttlMs, weight: 1, capacity: 1,",
      "const request = { ttlMs, weight: 1, capacity: 2,",
      "critical sections do not overlap",
    ),
    theme: "groups",
  },
  {
    ...mutant(
      "an older slot is begun after a newer one",
      slots,
      '    if (slotMs < note.slotMs) return "older";\n',
      "",
      "a slot is begun no more often than it may be",
    ),
    theme: "schedules",
  },
  {
    ...mutant(
      "a slot is begun once more than it may be",
      slots,
      "note.attempt >= attemptsMax",
      "note.attempt > attemptsMax",
      "a slot is begun no more often than it may be",
    ),
    theme: "schedules",
  },
  {
    ...mutant(
      "a schedule opens before its time",
      "schedules/sightings.ts",
      "if (watchedMs >= closedForMs) return true;",
      "if (watchedMs >= closedForMs / 4) return true;",
      "a schedule stays closed for as long as a run says",
    ),
    theme: "schedules",
  },
  {
    ...mutant(
      "a run has no end",
      "schedules/slot-beginner.ts",
      "maxHoldMs: atMostMs }",
      "maxHoldMs: atMostMs && 10 * atMostMs }",
      "no run goes on for longer than it may",
    ),
    theme: "schedules",
  },
  {
    ...mutant(
      "a barrier opens one party early",
      "barriers/barrier-note.ts",
      "if (gathering(roster, note).length < parties) return roster;",
      "if (gathering(roster, note).length < parties - 1) return roster;",
      "a barrier lets nobody through before all are there",
    ),
    theme: "barriers",
  },
  {
    ...mutant(
      "who leaves a barrier waits for nobody",
      "barriers/barrier.ts",
      "return inside(roster, lastFence).length === 0 ? true : undefined;",
      "return true;",
      "who leaves a barrier waits for all the others",
    ),
    theme: "barriers",
  },
  {
    ...mutant(
      "the same one counts a latch down twice",
      "barriers/latch-note.ts",
      "if (latch.isOpen || latch.counted.includes(id)) return latch;",
      "if (latch.isOpen) return latch;",
      "a latch opens at its last count, and not before",
    ),
    theme: "barriers",
  },
  {
    ...mutant(
      "who is robbed of a web lock is not told",
      "web-locks/tell-robbed.ts",
      "await Promise.all(others.map(",
      "await Promise.all(others.slice(1).map(",
      "everybody makes progress once the faults stop",
    ),
    theme: "web locks",
  },
  {
    ...mutant(
      "one who shares comes in beside one who does not",
      "web-locks/weights.ts",
      "return weights[mode];",
      'return mode === "exclusive" ? weights.exclusive - 1 : weights.shared;',
      "critical sections do not overlap",
    ),
    theme: "web locks",
  },
];
