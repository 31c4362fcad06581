import { Command, InvalidArgumentError, Option } from "commander";
import { type Case, casesOf, faults } from "./cases.ts";
import { backendNames } from "./targets/target.ts";
import { type BrokenWay, brokenWays, workloadNames } from "./worker-settings.ts";

/** What the command line asks for. */
export interface Wish {
  readonly cases: readonly Case[];
  /** Only say which cases there are. */
  readonly list: boolean;
  readonly seconds: number;
  readonly seed: number;
  readonly broken: BrokenWay | undefined;
  /** Keep the logs also of cases that passed. */
  readonly keep: boolean;
}

interface Parsed {
  readonly backend?: string[];
  readonly workload?: string[];
  readonly fault?: string[];
  readonly selection: "ci" | "full";
  readonly seconds?: number;
  readonly seed?: number;
  readonly list?: true;
  readonly keep?: true;
  readonly broken?: BrokenWay;
}

const seedsMax = 2 ** 32;
const secondsMax = 3_600;
const defaultSeconds = { ci: 5, full: 15 };

/**
 * Reads the command line.
 *
 * @throws CommanderError after it has said what is wrong, or what was asked for.
 */
export function readCommandLine(words: readonly string[], write: (text: string) => void): Wish {
  const program = new Command("npm run test:faults --")
    .description(
      "Runs worker processes against real servers under real faults, and checks their logs afterwards.\n" +
        "Without options: every case. Several options of one kind add up.",
    )
    .addOption(several("--backend <name>", "only this backend", backendNames))
    .addOption(several("--workload <name>", "only this workload", workloadNames))
    .addOption(several("--fault <name>", "only this fault", names(faults)))
    .addOption(
      new Option("--selection <name>", "which cases: `ci` takes some five minutes")
        .choices(["ci", "full"])
        .default("full"),
    )
    .option(
      "--seconds <number>",
      `how long faults are made in one case (default: ${defaultSeconds.full}, ci: ${defaultSeconds.ci})`,
      wholeNumber("seconds", 1, secondsMax),
    )
    .option(
      "--seed <number>",
      "chooses the victims, and how long faults last (default: by the clock)",
      wholeNumber("a seed", 0, seedsMax - 1),
    )
    .option("--list", "only say which cases there are, and what would not be run")
    .option("--keep", "keep the logs of all cases, not only of those that failed")
    .addOption(new Option("--broken <way>").choices(brokenWays).hideHelp())
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write });
  program.parse([...words], { from: "user" });
  const parsed = program.opts<Parsed>();
  const cases = chosenCases(parsed);
  if (cases.length === 0) {
    program.error(
      `error: there is no case of ${describeChoice(parsed)}; --list says which there are, and not every fault ` +
        "applies to every backend and workload",
    );
  }
  return {
    cases,
    list: parsed.list === true,
    seconds: parsed.seconds ?? defaultSeconds[parsed.selection],
    seed: parsed.seed ?? Date.now() % seedsMax,
    broken: parsed.broken,
    keep: parsed.keep === true,
  };
}

function names(items: readonly { readonly name: string }[]): readonly string[] {
  return items.map(({ name }) => name);
}

function several(flags: string, text: string, choices: readonly string[]): Option {
  return new Option(flags, text).choices(choices).argParser((value: string, previous: string[] = []) => {
    if (!choices.includes(value)) throw new InvalidArgumentError(`It must be one of ${choices.join(", ")}.`);
    return [...previous, value];
  });
}

function wholeNumber(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`For ${what}, give a whole number from ${min} to ${max}.`);
  };
}

function chosenCases({ backend, workload, fault, selection }: Parsed): Case[] {
  return casesOf(selection).filter(
    (candidate) =>
      (backend === undefined || backend.includes(candidate.backend)) &&
      (workload === undefined || workload.includes(candidate.workload)) &&
      (fault === undefined || fault.includes(candidate.fault.name)),
  );
}

function describeChoice({ backend, workload, fault, selection }: Parsed): string {
  const parts = [
    ["workload", workload],
    ["backend", backend],
    ["fault", fault],
  ] as const;
  const words = parts.flatMap(([name, chosen]) =>
    chosen === undefined ? [] : [`${name} ${chosen.join(" or ")}`],
  );
  return `${words.join(", ")} in the selection ${selection}`;
}
