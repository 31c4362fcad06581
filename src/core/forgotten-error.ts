import { OutcomeUnknownError } from "./errors.ts";

/** So many others wrote since that a record does not tell any more whether a write was applied. Asking again is in vain. */
export class ForgottenError extends OutcomeUnknownError {
  override readonly retryable = false;

  /** `subject`: what was written to, as `counter "visits"`. */
  constructor(subject: string) {
    super(
      `a write to ${subject} got no answer, and so many others wrote since that the record does not tell any more whether it ` +
        "was applied",
    );
    this.name = "OutcomeUnknownError";
  }
}

/** Whether it is one of these: `instanceof` goes by the code, which every unknown outcome has. */
export function isForgotten(error: unknown): error is ForgottenError {
  return error instanceof OutcomeUnknownError && !error.retryable;
}
