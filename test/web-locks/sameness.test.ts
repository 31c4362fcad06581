// Goal: whatever is asked of it, in whatever turns, coordinator.lockManager grants, refuses and breaks like navigator.locks.
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LockManager, WebLockOptions } from "../../src/index.ts";
import { createWorld } from "../locks/world.ts";

const own = (globalThis.navigator as { readonly locks?: LockManager } | undefined)?.locks;

/** One thing that a test does: it asks for a lock, or ends the callback of an earlier request. */
type Step =
  | { readonly kind: "request"; readonly name: string; readonly options: WebLockOptions }
  | { readonly kind: "end"; readonly which: number };

/** The turns of a test: the steps of one are done at once, and then everything settles. */
type Script = readonly (readonly Step[])[];

const options = fc.constantFrom<WebLockOptions>(
  {},
  {},
  { mode: "shared" },
  { mode: "shared" },
  { ifAvailable: true },
  { ifAvailable: true, mode: "shared" },
  { steal: true },
);
const request: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("request" as const),
  name: fc.constantFrom("a", "b"),
  options,
});
const end: fc.Arbitrary<Step> = fc.record({ kind: fc.constant("end" as const), which: fc.nat(11) });
// Apart: whether a request still sees a lock whose callback ends in the same turn depends on how long a release takes.
const requests = fc.array(request, { minLength: 1, maxLength: 5 });
const ends = fc.array(end, { minLength: 1, maxLength: 5 });
const scripts: fc.Arbitrary<Script> = fc.array(fc.oneof(requests, ends), { minLength: 1, maxLength: 7 });

/** What happened after each turn, for each name: callbacks, ends, and what query shows. */
async function play(
  locks: LockManager,
  script: Script,
  prefix: string,
  quiet: () => Promise<void>,
): Promise<readonly unknown[]> {
  const ends: (() => void)[] = [];
  const names = [`${prefix} a`, `${prefix} b`];
  const called = new Map(names.map((name) => [name, [] as string[]]));
  const outcomes: string[] = [];
  const seen: unknown[] = [];
  const ask = (name: string, wish: WebLockOptions): void => {
    const index = ends.length;
    const { promise, resolve } = Promise.withResolvers<string>();
    ends.push(() => resolve("ended"));
    outcomes.push("pending");
    const answer = locks.request(name, wish, (lock) => {
      called.get(name)?.push(`${index} ${lock?.mode ?? "null"}`);
      return promise;
    });
    const settled = (outcome: string): void => {
      outcomes[index] = outcome;
    };
    answer.then(settled, (error: Error) => settled(error.name));
  };
  const settle = async (): Promise<void> => {
    await quiet();
    const asking = locks.query();
    await quiet();
    const state = await asking;
    const modes = (list: typeof state.held) =>
      names.map((name) => list.filter((info) => info.name === name).map(({ mode }) => mode));
    const callbacks = [...called.values()].map((each) => [...each]);
    seen.push({ callbacks, outcomes: [...outcomes], held: modes(state.held), pending: modes(state.pending) });
  };
  for (const steps of script) {
    for (const each of steps) {
      if (each.kind === "request") ask(`${prefix} ${each.name}`, each.options);
      else ends[each.which]?.();
    }
    await settle();
  }
  for (const end of ends) end();
  await settle();
  return seen;
}

/** Node's own locks need no store and no timer: nothing happens any more after some turns. */
async function someTurns(): Promise<void> {
  for (let turns = 0; turns < 40; turns += 1) await turn();
}

describe.runIf(own !== undefined)("beside Node's own lock manager", () => {
  test("every script has the same course", async () => {
    let runs = 0;
    const property = fc.asyncProperty(scripts, async (script) => {
      runs += 1;
      const { runtime, client } = createWorld({ clients: 1 });
      const { lockManager } = client(0).coordinator;
      const expected = await play(own as LockManager, script, `script ${runs}`, someTurns);
      const actual = await play(lockManager, script, `script ${runs}`, () => runtime.settle());
      expect(actual).toEqual(expected);
    });
    await fc.assert(property, { numRuns: 400 });
  });
});
