import { checkers } from "./checkers/all.ts";
import type { History } from "./history.ts";

/** A checker that found something in a history. */
export interface Violation {
  readonly checker: string;
  readonly messages: readonly string[];
}

/** Everything that all checkers find in a history. */
export function judge(history: History): readonly Violation[] {
  return checkers.flatMap(({ name, check }) => {
    const messages = check(history);
    return messages.length === 0 ? [] : [{ checker: name, messages }];
  });
}
