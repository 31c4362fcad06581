import { type Edit, type Mutant, mutant } from "./mutant.ts";

const session = "sessions/session.ts";
const renewal = "sessions/renewal-loop.ts";
const observer = "sessions/session-observer.ts";
const observation = "sessions/observation.ts";

/** Without it a deadline that has passed and is not seen would be looked at again and again at the same moment. */
const lazyTimer: Edit = {
  file: session,
  find: "schedule(Math.ceil(this.remainingMs()), () => {",
  replace: "schedule(Math.max(5, Math.ceil(this.remainingMs())), () => {",
};

/** Bugs in how a client keeps its own session, and in how others judge it. */
export const sessionMutants: readonly Mutant[] = [
  mutant(
    "the deadline counts from the answer",
    session,
    "this.#renewedAt = sentAt;",
    "this.#renewedAt = instant(this.#context.runtime);",
  ),
  {
    name: "the deadline is twice the TTL",
    edits: [
      {
        file: session,
        find: "(elapsedMs(this.#renewedAt, instant(this.#context.runtime)) >= this.ttlMs)",
        replace: "(elapsedMs(this.#renewedAt, instant(this.#context.runtime)) >= 2 * this.ttlMs)",
      },
      {
        file: session,
        find: "this.#quickElapsedMs() >= this.ttlMs) this.#loseByDeadline();",
        replace: "this.#quickElapsedMs() >= 2 * this.ttlMs) this.#loseByDeadline();",
      },
      lazyTimer,
    ],
  },
  {
    name: "no lease ends while a heartbeat is on its way",
    edits: [
      {
        file: session,
        find: "    if (this.#quickElapsedMs() >= this.ttlMs) this.#loseByDeadline();",
        replace:
          "    if (this.#loop.isInDoubt) return;\n    if (this.#quickElapsedMs() >= this.ttlMs) this.#loseByDeadline();",
      },
      {
        file: session,
        find: "  #checkThoroughly(): void {",
        replace: "  #checkThoroughly(): void {\n    if (this.#loop.isInDoubt) return;",
      },
      {
        file: renewal,
        find: "  get version(): Version | null {",
        replace:
          "  get isInDoubt(): boolean {\n    return this.#doubtful.size > 0;\n  }\n  get version(): Version | null {",
      },
      lazyTimer,
    ],
  },
  mutant(
    "no timer waits for the deadline",
    session,
    "    this.#cancelDeadline();\n    if (this.#lost !== undefined) return;",
    "    this.#cancelDeadline();\n    if (this.ttlMs > 0) return;",
  ),
  mutant(
    "a heartbeat revives a session that was declared dead",
    renewal,
    'return { kind: "put", key: this.#key, value, expect, ttlMs',
    'return { kind: "put", key: this.#key, value, ...(expect === null && { expect }), ttlMs',
    "a session that was declared dead stays dead",
  ),
  mutant(
    "a heartbeat whose answer was lost ends the session",
    renewal,
    "if (this.#doubtful.has(record.beat)) this.#renewed(record.beat, current.version);",
    'if (this.#doubtful.has(record.beat)) this.#keeper.onEnded("somebody else renewed it");',
  ),
  mutant(
    "a lagging replica ends the session",
    "sessions/find-own-record.ts",
    "if (read != null) return read;",
    "if (read !== undefined) return read;",
  ),
  {
    name: "an answer revives a session that was lost",
    edits: [
      {
        file: session,
        find: "    if (this.#lost !== undefined) return;\n    this.#renewedAt = sentAt;",
        replace: "    this.#lost = undefined;\n    this.#renewedAt = sentAt;",
      },
      { file: renewal, find: "    this.#isStopped = true;", replace: "    this.#isStopped = false;" },
    ],
  },
  mutant(
    "a closed session leaves its record",
    session,
    "    let expect = this.#loop.version;\n",
    "    let expect: string | null = null;\n",
  ),
  mutant(
    "a late heartbeat keeps the record of a closed session",
    session,
    "attempt < deletesMax && expect !== null",
    "attempt < 1 && expect !== null",
  ),
  {
    name: "a machine that slept does not notice",
    edits: [
      {
        file: "sessions/lease-clock.ts",
        find: "return Math.max(quickElapsedMs(since, now.monotonicMs, now.wallMs), byUptimeMs);",
        replace: "return Math.min(quickElapsedMs(since, now.monotonicMs, now.wallMs), byUptimeMs + 1e9);",
      },
      {
        file: "sessions/lease-clock.ts",
        find: "return Math.max(monotonicMs - since.monotonicMs, wallMs - since.wallMs);",
        replace: "return wallMs > 0 ? monotonicMs - since.monotonicMs : 0;",
      },
      lazyTimer,
    ],
  },
  {
    name: "a holder that was paused is not told at its first question",
    edits: [
      {
        file: "roster/grant.ts",
        find: "watchClocks(this.#abort.signal, () => this.#check());",
        replace: "void watchClocks;",
      },
      {
        file: "roster/grant.ts",
        find: "    this.#check();\n    if (this.#abort === undefined) {",
        replace: "    if (this.#abort === undefined) {",
      },
    ],
  },
  mutant(
    "a message to a session renews its lease",
    "sessions/renewal-loop.ts",
    "        // Room for the next message, and an end to this one.\n",
    "        this.#keeper.onRenewed(instant(this.#context.runtime));\n",
  ),
  mutant(
    "a heartbeat that meets a message fails for ever",
    "sessions/renewal-loop.ts",
    "record.beat === this.#renewedBeat && current.version !== expected",
    "record.beat === this.#renewedBeat && current.version === expected",
  ),
  mutant(
    "takeover without the margin for drift",
    observation,
    "observation.ttlMs * (1 + driftTolerance)",
    "observation.ttlMs",
  ),
  {
    name: "a standstill begins before the first read was answered, however long that took",
    edits: [
      { file: observer, find: "readAtMs: runtime.monotonicMs(),", replace: "readAtMs: sentAtMs," },
      { file: observation, find: "Math.min(gapMs, countedGapTtls * ttlMs)", replace: "gapMs" },
    ],
  },
  mutant(
    "a new heartbeat does not start the observation again",
    observation,
    "previous === undefined || previous.beat !== beat || previous.ttlMs !== ttlMs",
    "previous === undefined || previous.ttlMs !== ttlMs",
  ),
  mutant(
    "a session is declared dead whatever it did meanwhile",
    observer,
    '{ kind: "put", key, value, expect: observation.version, ttlMs: tombstoneTtlMs },',
    '{ kind: "put", key, value, ttlMs: tombstoneTtlMs },',
  ),
  mutant(
    "a declaration of death that failed is taken for done",
    observer,
    "    if (result.committed) {\n",
    "    if (result !== undefined) {\n",
  ),
  mutant(
    "a session whose record a replica does not show is taken for dead",
    observer,
    'if (decoded?.state === "dead") {',
    'if (decoded?.state === "dead" || record === null) {',
  ),
  mutant(
    "a session's tickets are over too early",
    "sessions/ticket-book.ts",
    "return { next: this.#last + 1, open: [...this.#open] };",
    "return { next: this.#last + 1, open: [] };",
  ),
  mutant(
    "a session's next ticket counts as over",
    "sessions/ticket-book.ts",
    "return ticket < claim.next",
    "return ticket <= claim.next",
  ),
  mutant(
    "two attempts have the same ticket",
    "sessions/ticket-book.ts",
    "    this.#last += 1;\n",
    "    this.#last = 1;\n",
  ),
];
