import { type Case, nameOf } from "./cases.ts";
import type { Verdict } from "./judge.ts";

/** What became of one case. */
export type Outcome = { readonly case: Case } & (
  | { readonly kind: "run"; readonly verdict: Verdict; readonly logs: string | undefined }
  | { readonly kind: "not run"; readonly reason: string }
  /** The case itself came to nothing: a server did not start, a worker ended at once. */
  | { readonly kind: "broke off"; readonly reason: string; readonly logs: string }
);

/** What is printed of the violations that one checker found; the table has their number. */
const toldPerChecker = 3;

/** The line that is printed when a case is over. */
export function lineOf(outcome: Outcome): string {
  const name = nameOf(outcome.case).padEnd(38);
  if (outcome.kind === "not run") return `${name} NOT RUN: ${outcome.reason}`;
  if (outcome.kind === "broke off") return `${name} BROKE OFF: ${outcome.reason}\n  logs: ${outcome.logs}`;
  const { evidence, recoveryMs, violations, vacuous } = outcome.verdict;
  const { operations, operationsPerSecondBefore, faults, unknownOutcomes } = evidence;
  const problems = [...violations, ...vacuous.map((text) => `VACUOUS: ${text}`)];
  return [
    `${name} ${problems.length === 0 ? "ok    " : "FAILED"} ${operations} operations ` +
      `(${operationsPerSecondBefore.toFixed(0)}/s before the fault), ${faults} faults, ` +
      `${unknownOutcomes} unknown outcomes, recovery ${seconds(recoveryMs)}`,
    ...told(problems).map((text) => `  ${text}`),
    ...(outcome.logs === undefined ? [] : [`  logs: ${outcome.logs}`]),
  ].join("\n");
}

/** The first few of each kind: a checker's name stands before the colon. */
function told(problems: readonly string[]): readonly string[] {
  const kindOf = (text: string): string => text.slice(0, text.indexOf(":"));
  return [...new Set(problems.map(kindOf))].flatMap((kind) => {
    const same = problems.filter((text) => kindOf(text) === kind);
    const rest = same.length - toldPerChecker;
    return [...same.slice(0, toldPerChecker), ...(rest > 0 ? [`${kind}: ${rest} more`] : [])];
  });
}

/** The table of a whole run, in Markdown. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const head = [
    "workload",
    "backend",
    "fault",
    "operations",
    "per second before",
    "faults",
    "felt",
    "unknown outcomes",
    "leases lost",
    "violations",
    "recovery",
  ];
  const rows = outcomes.map((outcome) => {
    const { workload, backend, fault } = outcome.case;
    const place = [workload, backend, fault.name];
    if (outcome.kind !== "run") return [...place, outcome.kind, "", "", "", "", "", "", ""];
    const { evidence, recoveryMs, violations, vacuous } = outcome.verdict;
    const found = vacuous.length === 0 ? `${violations.length}` : `${violations.length}, vacuous`;
    return [
      ...place,
      `${evidence.operations}`,
      evidence.operationsPerSecondBefore.toFixed(0),
      `${evidence.faults}`,
      `${evidence.felt}`,
      `${evidence.unknownOutcomes}`,
      `${evidence.leasesLost}`,
      found,
      fault.ends === "lost" ? "-" : seconds(recoveryMs),
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** What a run comes to, and whether that is good. */
export interface Summary {
  readonly text: string;
  readonly isGood: boolean;
}

/** The last words of a run. */
export function summaryOf(outcomes: readonly Outcome[], broken: boolean): Summary {
  const run = outcomes.filter((outcome) => outcome.kind === "run");
  const notRun = outcomes.filter((outcome) => outcome.kind === "not run");
  const brokeOff = outcomes.filter((outcome) => outcome.kind === "broke off");
  const violations = run.reduce((sum, { verdict }) => sum + verdict.violations.length, 0);
  const vacuous = run.filter(({ verdict }) => verdict.vacuous.length > 0).length;
  const unknowing = run.filter((outcome) => outcome.case.fault.makesUnknown);
  const unknowns = run.reduce((sum, { verdict }) => sum + verdict.evidence.unknownOutcomes, 0);
  const isBlind = unknowing.length > 0 && unknowns === 0 && !broken;
  const operations = run.reduce((sum, { verdict }) => sum + verdict.evidence.operations, 0);
  const faults = run.reduce((sum, { verdict }) => sum + verdict.evidence.faults, 0);
  const lines = [
    ...notRun.map((outcome) => `not run: ${nameOf(outcome.case)}: ${outcome.reason}`),
    ...(isBlind ? ["VACUOUS: faults were made that leave outcomes unknown, and none was seen"] : []),
    `${run.length} cases run, ${notRun.length} not run, ${violations} violations` +
      `${brokeOff.length > 0 ? `, ${brokeOff.length} broke off` : ""}${vacuous > 0 ? `, ${vacuous} vacuous` : ""}` +
      ` (${operations} operations, ${faults} faults, ${unknowns} unknown outcomes)`,
  ];
  return {
    text: lines.join("\n"),
    isGood: violations + vacuous + brokeOff.length === 0 && !isBlind,
  };
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : "never";
}
