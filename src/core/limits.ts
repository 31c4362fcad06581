import type { Capabilities, CommitOptions, Operation } from "./backend.ts";
import { LimitExceededError, UnsupportedError } from "./errors.ts";
import { invariant } from "./invariant.ts";

/**
 * Checks operations against a backend's limits, before anything is sent.
 *
 * @throws LimitExceededError for a key, value or number of operations beyond the limit.
 * @throws UnsupportedError for several keys where the backend commits only one, and for writes in the store's own
 *   terms where it takes none.
 */
export function checkOperations(
  kind: string,
  capabilities: Capabilities,
  operations: readonly Operation[],
  { alongside = [] }: CommitOptions = {},
): void {
  const { commitOperationsMax } = capabilities;
  const count = operations.length + alongside.length;
  invariant(count > 0, "a commit has at least one operation");
  if (alongside.length > 0 && capabilities.alongside !== true) {
    throw new UnsupportedError(`the ${kind} backend commits no writes of your own alongside its records`);
  }
  if (count > 1 && commitOperationsMax === 1) {
    throw new UnsupportedError(`this ${kind} store commits one key at a time; got ${count} operations`);
  }
  if (count > commitOperationsMax) {
    throw new LimitExceededError(
      `the ${kind} backend commits at most ${commitOperationsMax} operations at once; got ${count}`,
    );
  }
  const isUnique =
    operations.length < 2 || new Set(operations.map(({ key }) => key)).size === operations.length;
  invariant(isUnique, "a key stands in at most one operation of a commit");
  for (const operation of operations) {
    checkKey(kind, capabilities, operation.key);
    if (operation.kind === "put") checkValue(kind, capabilities, operation.key, operation.value);
  }
}

/** @throws LimitExceededError when the key is too long for the backend. */
export function checkKey(kind: string, capabilities: Capabilities, key: string): void {
  invariant(/^[-=.\w]+$/.test(key), `keys are made of [A-Za-z0-9_=.-]; got ${JSON.stringify(key)}`);
  if (key.length > capabilities.keyBytesMax) {
    throw new LimitExceededError(
      `the ${kind} backend takes keys of at most ${capabilities.keyBytesMax} bytes; got ${key.length}`,
    );
  }
}

function checkValue(kind: string, capabilities: Capabilities, key: string, value: Uint8Array): void {
  if (value.length > capabilities.valueBytesMax) {
    throw new LimitExceededError(
      `the ${kind} backend takes values of at most ${capabilities.valueBytesMax} bytes; got ${value.length} for ${key}`,
    );
  }
}
