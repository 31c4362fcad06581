import type { CommitResult, Conflict, Operation, RequestOptions, Version } from "../../core/backend.ts";
import { LeaseholdError, OutcomeUnknownError, UnavailableError } from "../../core/errors.ts";
import { Failure } from "./failure.ts";
import { decodeItem, type Item, versionChain } from "./item-codec.ts";
import { judgeWrite, type Verdict } from "./judge-write.ts";
import { readItem } from "./read-records.ts";
import type { Requester } from "./requester.ts";
import { deleteRequest, putRequest, type WriteOperation } from "./write-request.ts";

const attemptsMax = 2;

/** Commits one operation: one write request, or one strongly consistent read for a check. */
export class SingleCommit {
  readonly #requester: Requester;
  /** Set once a failed condition came with its item: from then on, no item means no record. */
  #itemsCome = false;

  constructor(requester: Requester) {
    this.#requester = requester;
  }

  async commit(operation: Operation, options?: RequestOptions): Promise<CommitResult> {
    if (operation.kind === "check") return this.#check(operation, options);
    const written = operation.kind === "put" ? this.#requester.runtime.id() : null;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#send(operation, written, options);
        return { committed: true, versions: [written] };
      } catch (error) {
        if (error instanceof Failure && error.kind === "condition") {
          const certain = attempt === 1 && !error.ambiguous;
          return this.#conditionFailed(operation, written, error, certain);
        }
        if (error instanceof Failure && attempt < attemptsMax && mayResend(operation, error)) continue;
        const { key } = operation;
        throw this.#requester.toError(error, requestName(operation), { key, sentBefore: attempt > 1 });
      }
    }
  }

  /** The conflict for an operation whose condition did not hold, with what stands there. */
  async conflictOf(operation: Operation, item: Item | undefined): Promise<Conflict> {
    const { layout } = this.#requester.settings;
    const { key } = operation;
    if (item !== undefined) {
      this.#itemsCome = true;
      return { key, current: decodeItem(layout, item) };
    }
    if (this.#itemsCome && operation.expect !== null) return { key, current: null };
    try {
      // Older stores that speak this protocol never send the item.
      const read = await readItem(this.#requester, key);
      return { key, current: read === null ? null : decodeItem(layout, read) };
    } catch (error) {
      // The conflict is certain, only the record is not known.
      if (error instanceof UnavailableError) return { key };
      throw error;
    }
  }

  /** A strongly consistent read is linearizable, and costs a quarter of a condition check in a transaction. */
  async #check(
    operation: Operation & { readonly kind: "check" },
    options?: RequestOptions,
  ): Promise<CommitResult> {
    const item = await readItem(this.#requester, operation.key, options);
    const current = item === null ? null : decodeItem(this.#requester.settings.layout, item);
    if ((current?.version ?? null) === operation.expect)
      return { committed: true, versions: [operation.expect] };
    return { committed: false, conflicts: [{ key: operation.key, current }] };
  }

  async #send(operation: WriteOperation, written: Version | null, options?: RequestOptions): Promise<void> {
    const { table, layout } = this.#requester.settings;
    const context = { table, layout, wallMs: this.#requester.runtime.wallMs() };
    if (operation.kind === "put") {
      await this.#requester.request(
        "UpdateItem",
        putRequest(context, operation, written as Version),
        options,
      );
    } else {
      await this.#requester.request("DeleteItem", deleteRequest(context, operation), options);
    }
  }

  async #conditionFailed(
    operation: WriteOperation,
    written: Version | null,
    failure: Failure,
    certain: boolean,
  ): Promise<CommitResult> {
    const verdict =
      certain && operation.expect !== undefined ? "conflict" : await this.#judge(operation, written, failure);
    if (verdict === "committed") return { committed: true, versions: [written] };
    if (verdict === "conflict") {
      return { committed: false, conflicts: [await this.conflictOf(operation, failure.item)] };
    }
    throw new OutcomeUnknownError(
      `a ${operation.kind} of key ${operation.key} was sent more than once and then refused: the first copy may have ` +
        "been applied, and what stands there now does not tell. A client with maxAttempts: 1 meets this less often",
      { cause: failure.cause },
    );
  }

  async #judge(operation: WriteOperation, written: Version | null, failure: Failure): Promise<Verdict> {
    let { item } = failure;
    if (item === undefined) {
      try {
        item = (await readItem(this.#requester, operation.key)) ?? undefined;
      } catch (error) {
        // Without the item nothing can be told apart; the caller asks again when the store answers.
        if (error instanceof LeaseholdError) return "unknown";
        throw error;
      }
    }
    const chain = item === undefined ? [] : versionChain(this.#requester.settings.layout, item);
    return judgeWrite(operation.expect, written, chain);
  }
}

/**
 * Whether an unanswered write may be sent again: only under an expected version, which no copy can meet once one
 * was applied. A create could still land after a later delete. After a full time limit the caller decides.
 */
function mayResend(operation: WriteOperation, failure: Failure): boolean {
  return failure.kind === "unknown" && !failure.timedOut && typeof operation.expect === "string";
}

function requestName(operation: WriteOperation): "UpdateItem" | "DeleteItem" {
  return operation.kind === "put" ? "UpdateItem" : "DeleteItem";
}
