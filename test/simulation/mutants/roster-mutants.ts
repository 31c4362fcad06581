import { type Mutant, mutant } from "./mutant.ts";

const roster = "roster/roster.ts";
const driver = "roster/roster-driver.ts";
const queue = "roster/roster-queue.ts";
const entry = "roster/entry.ts";
const turn = "roster/turn.ts";

/** Bugs in the queue behind a lock, and in how clients write it, wait in it and leave it. */
export const rosterMutants: readonly Mutant[] = [
  mutant(
    "who comes goes to the front",
    roster,
    "waiters: [...roster.waiters, entrant] };",
    "waiters: [entrant, ...roster.waiters] };",
  ),
  mutant(
    "who comes holds beside the holder",
    roster,
    "let free = roster.capacity - heldWeight(roster);",
    "let free = roster.capacity - (roster.waiters.length > 1 ? 0 : heldWeight(roster));",
  ),
  mutant(
    "an upgrade believes an old read",
    "roster/growth.ts",
    "isServed: ({ fence }: Holder) => fence > askedAtFence,",
    "isServed: ({ fence }: Holder) => fence > 0,",
    "critical sections do not overlap",
  ),
  mutant(
    "a downgrade counts only once it is confirmed",
    "locks/read-write-lock.ts",
    "    this.#mode = target;\n    this.#unsettled = target;\n    await this.#grant.change((roster, holder) => reweigh(roster, holder, weights[target]));\n",
    "    await this.#grant.change((roster, holder) => reweigh(roster, holder, weights[target]));\n    this.#mode = target;\n",
  ),
  mutant(
    "one more is admitted than there is room for",
    roster,
    "if (waiter.weight > free) break;",
    "if (waiter.weight > free + 1) break;",
  ),
  mutant(
    "who wants little passes who wants much",
    roster,
    "  for (const waiter of grown.waiters) {",
    "  for (const waiter of [...grown.waiters].sort((left, right) => left.weight - right.weight)) {",
    "first come, first served",
  ),
  mutant(
    "several locks that nobody waits for any more are kept",
    "locks/multi-lock.ts",
    "  if (acquisition.resolve(grant)) return grant;\n  await grant[Symbol.asyncDispose]();",
    "  if (acquisition.resolve(grant)) return grant;",
  ),
  mutant(
    "who tries never finds room",
    roster,
    "weightOf(roster.waiters) + weight <= roster.capacity",
    "weightOf(roster.waiters) + weight < roster.capacity",
  ),
  mutant("a grant has the fence of the one before", roster, "Math.max(previous + 1,", "Math.max(previous,"),
  mutant(
    "the fence is the clock of whoever grants",
    roster,
    "Math.max(previous + 1, clock <= fenceFromClockMax ? clock : 0)",
    "clock",
  ),
  mutant(
    "the fence begins again after the store was wiped",
    roster,
    "clock <= fenceFromClockMax ? clock : 0",
    "0",
  ),
  mutant(
    "the fence of a grant is read from the record and not raised",
    roster,
    "    fence = nextFence(fence, wallMs);\n    free -= waiter.weight;",
    "    fence = fence === 0 ? nextFence(fence, wallMs) : fence;\n    free -= waiter.weight;",
    "a resource that checks fences is safe",
  ),
  mutant(
    "a dead waiter stays in the queue",
    roster,
    "return without(roster, (entrant) => entrant.session === session);",
    "return { ...roster, holders: roster.holders.filter((entrant) => entrant.session !== session) };",
  ),
  mutant(
    "whoever leaves takes the holder along",
    roster,
    "return without(roster, (entrant) => isSame(entrant, id));",
    "return without(roster, (entrant) => isSame(entrant, id) || roster.holders[0] === entrant);",
  ),
  mutant(
    "the first in line watches nobody",
    roster,
    "return self === undefined ? roster.holders : roster.holders.filter((holder) => !isSame(holder, self));",
    "return roster.holders.filter(({ weight }) => self !== undefined && weight < 0);",
  ),
  mutant(
    "a roster is written over whatever is there",
    "roster/roster-view.ts",
    '{ kind: "put", key, value: encodeRoster(name, roster), expect } as const',
    '{ kind: "put", key, value: encodeRoster(name, roster), ...(expect === null && { expect }) } as const',
  ),
  {
    name: "neither a conflict nor a pause after it teaches anything",
    edits: [
      {
        file: driver,
        find: "this.#known = current === undefined ? undefined : this.#decode(current);",
        replace: "void current;",
      },
      { file: driver, find: "if (conflicts > 0) this.#known = undefined;", replace: "" },
    ],
  },
  mutant(
    "a write whose outcome is unknown is taken for applied",
    driver,
    "if (error instanceof OutcomeUnknownError) this.#unconfirmedBase ??= base.roster;\n        throw error;",
    "if (!(error instanceof OutcomeUnknownError)) throw error;\n        result = { committed: true, versions: [null] };",
  ),
  mutant(
    "holders are evicted before their death is decided",
    "roster/lookout.ts",
    "else if (await observer.declareDead(session, self)) healings.push(bury);",
    "else if (ttlMs > 0) healings.push(bury);",
  ),
  mutant(
    "what a rolled-back record shows of a live session stays",
    "roster/lookout.ts",
    "it.session === session && tickets && isOver(tickets, it.ticket)",
    "it.session === session && tickets && isOver(tickets, it.ticket) && it.ttlMs < 0",
  ),
  mutant(
    "nobody looks again when a wake is lost",
    turn,
    "position === undefined ? pollMs : this.#lookAtMs - runtime.monotonicMs(),",
    "pollMs,",
  ),
  mutant(
    "who gives up stays in the queue",
    entry,
    "    this.#leave(isWanted).catch(expiryFrees);",
    "    void isWanted;\n    void expiryFrees;",
  ),
  mutant(
    "who gives up without an answer is taken for absent",
    entry,
    "    if (failure instanceof OutcomeUnknownError) this.#mayStand = true;\n",
    "",
  ),
  mutant(
    "a caller who has gone keeps the grant",
    queue,
    "if (session.lost !== undefined || !acquisition.isOpen) return false;",
    "if (session.lost !== undefined) return false;",
  ),
  mutant(
    "a grant is delivered after its lease ended",
    queue,
    "    session.check();\n    if (session.lost !== undefined || !acquisition.isOpen) return false;",
    "    if (!acquisition.isOpen) return false;",
  ),
  mutant(
    "the last local caller goes first",
    queue,
    "for (const next of this.#waiting) {",
    "for (const next of [...this.#waiting].reverse()) {",
  ),
  mutant(
    "a release says nothing of the loss that came before",
    "roster/grant.ts",
    "    if (this.#loss !== undefined) throw this.#loss;\n  }\n\n  /** Named",
    "  }\n\n  /** Named",
  ),
  mutant(
    "a wait has no end",
    "roster/acquisition.ts",
    "runtime.schedule(request.waitMs, () => this.#onTimeout()",
    "runtime.schedule(2 * request.waitMs, () => this.#onTimeout()",
  ),
  mutant(
    "a timeout is told as an error of its own",
    "roster/acquisition.ts",
    "this.reject(new AcquireTimeoutError(message, this.failure && { cause: this.failure }));",
    "this.reject(new TypeError(message));",
  ),
  mutant(
    "a release that is refused is forgotten",
    "roster/departure.ts",
    "  let wasTaken = false;",
    "  if (fence % 10 === 0) return;\n  let wasTaken = false;",
  ),
  mutant(
    "an add that is asked again is applied again",
    "core/counter-record.ts",
    "receipt !== undefined && receipt.sequence >= operation.sequence",
    "receipt !== undefined && receipt.sequence > operation.sequence",
  ),
  mutant(
    "an add that is asked again is answered with the sum of now",
    "core/counter-record.ts",
    "return { counter, sum: receipt.sum, applied: false };",
    "return { counter, sum: counter.sum, applied: false };",
  ),
];
