// Goal: in small worlds every order of events is tried, over the shipped functions of roster and sessions, and nothing
// breaks a rule; planted bugs do.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { configurations } from "./configurations.ts";
import { conductMutants, leaseMutants, rosterMutants } from "./mutants.ts";
import { RosterWorld, type RosterWorldOptions } from "./roster-world.ts";
import { search, type World } from "./search.ts";
import { shareMutants } from "./share-mutants.ts";

const timeoutMs = 120_000;

/** How many states each world has. Another number means that the protocol, or the model of it, has changed. */
const statesOf: Readonly<Record<string, number>> = {
  "mutex-3x3": 30_035,
  "mutex-3x3-crash": 76_591,
  "mutex-3x3-cancel": 200_753,
  "mutex-2x1-all": 125_955,
  "mutex-4x1-crashes": 12_607,
  "mutex-3x2-clocks": 144_606,
  "semaphore-3x2": 255_684,
  "try-3x2": 188_003,
  "read-write": 15_882,
  "lease-drift": 13_853,
  "lease-sleep": 44_518,
};
const quick = configurations.filter(({ isQuick }) => isQuick);

test("every quick configuration has its number of states here", () => {
  expect(quick.map(({ name }) => name).sort()).toEqual(Object.keys(statesOf).sort());
});

test.for(quick)("$name holds: $about", { timeout: timeoutMs }, ({ name, world }) => {
  const { states, isComplete, violation } = search(world());
  expect(violation?.trace ?? []).toEqual([]);
  expect({ isComplete, states }).toEqual({ isComplete: true, states: statesOf[name] });
});

const mutants = [...rosterMutants, ...conductMutants, ...leaseMutants, ...shareMutants];

test.for(mutants)("is caught: $title", { timeout: timeoutMs }, ({ breaks, world }) => {
  const { violation } = search(world());
  expect(violation?.rule).toBe(breaks);
  expect(violation?.trace.length).toBeGreaterThan(1);
});

test("there are more mutants than ten, and no two of the same name", () => {
  expect(mutants.length).toBeGreaterThan(10);
  expect(new Set(mutants.map(({ title }) => title)).size).toBe(mutants.length);
});

test("a violation is told as the shortest way to it, in words", () => {
  const mutant = conductMutants.find(({ title }) => title === "a takeover is not written");
  expect(mutant && search(mutant.world()).violation?.trace).toMatchInlineSnapshot(`
    [
      "at first: [ | ] fence 0; a0 rests; b0 rests",
      "a asks: [ | ] fence 0; a1 is joining as #1; b0 rests",
      "b asks: [ | ] fence 0; a1 is joining as #1; b1 is joining as #1",
      "a reads and writes: [ | ] fence 0; a1 is joining as #1, has a write on its way; b1 is joining as #1",
      "a gets its write through: [a1#1=1 | ] fence 1; a1 holds #1; b1 is joining as #1",
      "b reads and writes: [a1#1=1 | ] fence 1; a1 holds #1; b1 is joining as #1, has a write on its way",
      "b gets its write through: [a1#1=1 | b1#1] fence 1; a1 holds #1; b1 is waiting as #1",
      "a crashes: [a1#1=1 | b1#1] fence 1; a1 crashed; b1 is waiting as #1",
      "b declares a1 dead: [a1#1=1 | b1#1] fence 1; a1 crashed; b1 holds #1",
      "against the rule! who believes to hold stands as a holder: b1#1 in [a1#1=1 | b1#1] fence 1",
    ]
  `);
});

const one: RosterWorldOptions = {
  ...{ capacity: 1, acquires: 1, doConflictsTell: true },
  clients: Array.from({ length: 3 }, () => ({ asks: "wait" as const, weight: 1, wallMs: 0 })),
  faults: { crashes: 1, expiries: 0, lostReplies: 1, staleReads: 0, cancels: 0 },
};

test("no state is hidden by taking like clients for each other", () => {
  const world = new RosterWorld(one);
  const classes = new Set<string>();
  const everything = search({
    ...wrap(world),
    canonical: (state) => state,
    expand: (state, visit) => {
      classes.add(world.canonical(state).join());
      world.expand(state, visit);
    },
  });
  const { states } = search(new RosterWorld(one));
  expect(everything.isComplete).toBe(true);
  expect(classes.size).toBe(states);
  expect(everything.states).toBeGreaterThan(states);
});

test("what is rare happens", () => {
  const world = new RosterWorld({
    ...one,
    acquires: 2,
    clients: one.clients.slice(1),
    faults: { crashes: 1, expiries: 1, lostReplies: 1, staleReads: 1, cancels: 0 },
  });
  const seen = new Set<string>();
  search(
    {
      ...wrap(world),
      expand: (state, visit) =>
        world.expand(state, (next, isProgress) => {
          seen.add(world.step.replace(/^[a-z] /, "").replace(/[a-z]\d|#\d/, "…"));
          visit(next, isProgress);
        }),
    },
    100_000,
  );
  expect([...seen].sort()).toMatchInlineSnapshot(`
    [
      "an abandoned write lands",
      "asks",
      "crashes",
      "declares … dead",
      "finds a tombstone",
      "gets its write through",
      "gets its write through and no answer",
      "gets no answer, and its write is lost",
      "gets no answer, and its write may land later",
      "hears that its write is lost",
      "looks",
      "looks at the replica",
      "meets a conflict",
      "passes its deadline",
      "passes its deadline and says so",
      "reads and writes",
      "reads and writes nothing, it is so already",
      "reads the replica and writes",
      "reads the replica and writes nothing, it is so already",
      "releases …",
      "releases … and asks again",
      "the replica stops following",
      "writes",
      "writes nothing, it is so already",
    ]
  `);
});

/** The same world under other methods. */
function wrap(world: World): World {
  return {
    words: world.words,
    promise: world.promise,
    get step() {
      return world.step;
    },
    initial: () => world.initial(),
    canonical: (state) => world.canonical(state),
    expand: (state, visit) => world.expand(state, visit),
    isFinished: (state) => world.isFinished(state),
    describe: (state) => world.describe(state),
  };
}

function runScript(...options: readonly string[]): {
  readonly status: number | null;
  readonly output: string;
} {
  const script = new URL("explore.ts", import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...options], { encoding: "utf8" });
  return { status, output: stdout + stderr };
}

test("the script prints a table, and tells of wrong usage", { timeout: timeoutMs }, () => {
  const run = runScript("--config", "mutex-4x1-crashes");
  expect(run.output).toMatch(/mutex-4x1-crashes +12,607 +57,297 +29 .*holds: 4x1, three crashes/);
  expect(run.status).toBe(0);
  expect(runScript("--config", "none-such").output).toContain('there is no configuration "none-such"');
  expect(runScript("--config", "none-such").status).toBe(2);
  expect(runScript("--nonsense").output).toContain("Unknown option '--nonsense'");
  expect(runScript("--nonsense").status).toBe(2);
  expect(runScript("--help").output).toContain("Usage:");
});
