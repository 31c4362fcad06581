import { fateOf, type Stamp, type Stamps } from "../core/stamps.ts";
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

/** The one of these writes that was applied, as the state shows; `forgotten`: it does not tell. `undefined`: none of them. */
export function findApplied<State, Command, Answer>(
  { stamps, stampsMax }: RecordRules<State, Command, Answer>,
  state: State,
  doubts: readonly Doubt<Answer>[],
): Doubt<Answer> | "forgotten" | undefined {
  const fates = doubts.map(({ write, before }) => fateOf(stamps(state), write, before, stampsMax));
  const applied = doubts[fates.indexOf("applied")];
  // Those before the last one were shut out when it was sent: a mark that it was to follow came before them as well.
  return applied ?? (fates.at(-1) === "forgotten" ? "forgotten" : undefined);
}
