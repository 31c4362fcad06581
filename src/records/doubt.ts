import { fateOf, type Stamp, type Stamps } from "../core/stamps.ts";
import { forgotten } from "./record-failures.ts";
import type { RecordRules } from "./record-rules.ts";

/** What a command is told. */
export type Outcome<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/** A write without an answer: what its commands get if it was applied. */
export interface Doubt<Answer> {
  readonly write: Stamp;
  /** The marks that it was to follow. */
  readonly before: Stamps;
  readonly outcomes: readonly Outcome<Answer>[];
}

/**
 * The one of these writes that the state shows to have been applied; none that is shut out can be any more.
 *
 * @throws OutcomeUnknownError when it does not tell.
 */
export function findApplied<State, Command, Answer>(
  { stamps, stampsMax, isHarmlessTwice }: RecordRules<State, Command, Answer>,
  state: State,
  doubts: readonly Doubt<Answer>[],
  subject: string,
): Doubt<Answer> | undefined {
  for (const doubt of doubts) {
    const fate = fateOf(stamps(state), doubt.write, doubt.before, stampsMax);
    if (fate === "applied") return doubt;
    if (fate === "forgotten" && isHarmlessTwice !== true) throw forgotten(subject);
  }
  return undefined;
}
