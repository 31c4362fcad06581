import { AbortedError, UnavailableError } from "../core/errors.ts";

/** A caller that waits for its numbers. */
export interface NumberCaller {
  readonly count: number;
  readonly askedAtMs: number;
  readonly isOpen: boolean;
  give(numbers: readonly number[]): void;
  refuse(error: unknown): void;
}

/** A caller, and the promise that it gets. */
export function numberCaller(
  count: number,
  askedAtMs: number,
  subject: string,
  signal: AbortSignal | undefined,
): { readonly caller: NumberCaller; readonly answer: Promise<readonly number[]> } {
  const { promise: answer, resolve, reject } = Promise.withResolvers<readonly number[]>();
  let isOpen = true;
  const end = (): void => {
    isOpen = false;
    signal?.removeEventListener("abort", onAbort);
  };
  const onAbort = (): void => {
    end();
    reject(
      new AbortedError(`the caller gave up waiting for ${subject}`, { cause: signal?.reason as unknown }),
    );
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  const caller: NumberCaller = {
    count,
    askedAtMs,
    get isOpen() {
      return isOpen;
    },
    give(numbers) {
      if (!isOpen) return;
      end();
      resolve(numbers);
    },
    refuse(error) {
      if (!isOpen) return;
      end();
      reject(error);
    },
  };
  return { caller, answer };
}

/** The numbers from `first` on. */
export function numbersFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** What a caller is told whose patience is over. Whatever became of the requests, it got no number. */
export function noNumber(subject: string, waitedMs: number, cause: unknown): UnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UnavailableError(
    `${subject} gave no number for ${Math.round(waitedMs)} ms: the store last failed with: ${why}. Ask again`,
    { cause },
  );
}
