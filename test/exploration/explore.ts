// Explores every configuration, or those that are named, and prints a table. `--help` tells how.
import { parseArgs } from "node:util";
import { type Configuration, configurations } from "./configurations.ts";
import { type Findings, search } from "./search.ts";

const help = `Usage: node --max-old-space-size=6000 test/exploration/explore.ts [options]

Visits every state of small worlds over the shipped functions of roster and sessions.

  --config <name>   only this configuration; may be repeated
  --quick           only those that the tests run
  --list            names the configurations
  --help            this text

Exit codes: 0 all is well, 1 a rule was broken, 2 wrong usage.
`;

/** Wrong usage, told in one line. */
class UsageError extends Error {}

function selected(options: {
  readonly config?: string[];
  readonly quick?: boolean;
}): readonly Configuration[] {
  const names = configurations.map(({ name }) => name);
  const unknown = options.config?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no configuration ${JSON.stringify(unknown)}; there are: ${names.join(", ")}`,
    );
  }
  return configurations.filter(({ name, isQuick }) => {
    if (options.config !== undefined && !options.config.includes(name)) return false;
    return options.quick !== true || isQuick;
  });
}

function read(): ReturnType<typeof parse>["values"] {
  try {
    return parse().values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parse() {
  const options = {
    config: { type: "string", multiple: true },
    quick: { type: "boolean" },
    list: { type: "boolean" },
    help: { type: "boolean" },
  } as const;
  return parseArgs({ options });
}

function row(
  name: string,
  { states, transitions, depth }: Findings,
  seconds: number,
  verdict: string,
): string {
  const numbers = [states, transitions].map((count) => count.toLocaleString("en").padStart(13)).join("");
  return `${name.padEnd(34)}${numbers}${String(depth).padStart(7)}${seconds.toFixed(1).padStart(9)}  ${verdict}`;
}

function explore(chosen: readonly Configuration[]): boolean {
  const columns = [
    "states".padStart(13),
    "transitions".padStart(13),
    "depth".padStart(7),
    "seconds".padStart(9),
  ];
  console.log(`${"configuration".padEnd(34)}${columns.join("")}  verdict`);
  const total = { states: 0, transitions: 0, depth: 0, isComplete: true, violation: undefined };
  let seconds = 0;
  let isWell = true;
  for (const { name, about, world } of chosen) {
    const startMs = performance.now();
    const findings = search(world());
    const took = (performance.now() - startMs) / 1_000;
    const { violation } = findings;
    console.log(row(name, findings, took, violation === undefined ? `holds: ${about}` : violation.message));
    for (const line of violation?.trace ?? []) console.log(`    ${line}`);
    total.states += findings.states;
    total.transitions += findings.transitions;
    total.depth = Math.max(total.depth, findings.depth);
    seconds += took;
    isWell &&= violation === undefined;
  }
  console.log(row("total", total, seconds, isWell ? "all hold" : "a rule was broken"));
  return isWell;
}

try {
  const options = read();
  if (options.help === true) console.log(help);
  else if (options.list === true)
    for (const { name, about } of configurations) console.log(`${name.padEnd(34)}${about}`);
  else if (!explore(selected(options))) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\nTry --help.`);
  process.exitCode = 2;
}
