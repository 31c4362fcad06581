import { PermissionDeniedError, StoreMisconfiguredError } from "../../core/errors.ts";
import { Failure } from "./failure.ts";
import { groupOf } from "./item-layout.ts";
import { readItem } from "./read-records.ts";
import type { Requester } from "./requester.ts";
import { type RetryLimits, retry } from "./retry.ts";
import { putRequest } from "./write-request.ts";

/** Says that every record has its group, and under which attribute. Scans leave it out. */
export const markKey = "leasehold.listed";
/** DynamoDB's limit for the second key of an index. */
export const indexedKeyBytesMax = 1_024;

/** Updates under way at a time, while records from before the index are entered. */
const entriesAtOnce = 16;
const copies: RetryLimits = { retriesMax: 4, firstMs: 50, maxMs: 800 };

/**
 * The index for listings. A record that was written before the index, by somebody who did not know of it, is in the table
 * and not in the index. So nobody lists by it before {@link ListIndex.complete} has entered all of them and left a mark.
 */
export class ListIndex {
  readonly #requester: Requester;
  #isMarked = false;

  constructor(requester: Requester) {
    this.#requester = requester;
  }

  /** Whether the index has every record: one read, until the answer is yes. */
  async isComplete(): Promise<boolean> {
    const { layout, listIndex } = this.#requester.settings;
    if (listIndex === undefined || this.#isMarked) return this.#isMarked;
    const mark = await readItem(this.#requester, markKey).catch((error: unknown) => {
      // Credentials may be limited to some keys by dynamodb:LeadingKeys.
      if (error instanceof PermissionDeniedError) return null;
      throw error;
    });
    this.#isMarked = Buffer.from(mark?.[layout.value]?.B ?? []).toString() === layout.group;
    return this.#isMarked;
  }

  /** Enters every record that is not in the index, once for a table: reads all of it, and writes what is missing. */
  async complete(): Promise<void> {
    if (await this.isComplete()) return;
    const { table, layout } = this.#requester.settings;
    try {
      let ExclusiveStartKey: Record<string, never> | undefined;
      do {
        const page = await this.#requester.request("Scan", {
          TableName: table,
          ConsistentRead: true,
          ProjectionExpression: "#k",
          FilterExpression: "attribute_exists(#v) AND attribute_not_exists(#g)",
          ExpressionAttributeNames: { "#k": layout.key, "#v": layout.version, "#g": layout.group },
          ...(ExclusiveStartKey === undefined ? {} : { ExclusiveStartKey }),
        });
        const keys = (page.Items ?? []).map((item) => item[layout.key]?.S as string);
        for (let start = 0; start < keys.length; start += entriesAtOnce) {
          await Promise.all(keys.slice(start, start + entriesAtOnce).map((key) => this.#enter(key)));
        }
        ExclusiveStartKey = page.LastEvaluatedKey as Record<string, never> | undefined;
      } while (ExclusiveStartKey !== undefined);
      await this.#mark();
    } catch (error) {
      // Left to somebody who may; until then, listings scan.
      if (error instanceof Failure && error.kind === "denied") return;
      throw this.#requester.toError(error, "UpdateItem");
    }
  }

  /** Gives a record its group, unless it was deleted or has one by now. The rest of it, its version too, stays. */
  async #enter(key: string): Promise<void> {
    const { table, layout } = this.#requester.settings;
    if (key.length > indexedKeyBytesMax) {
      throw new StoreMisconfiguredError(
        `an index of DynamoDB takes keys of at most ${indexedKeyBytesMax} bytes; table ${table} has one with ${key.length}: ${key}`,
      );
    }
    const request = {
      TableName: table,
      Key: { [layout.key]: { S: key } },
      UpdateExpression: "SET #g = :g",
      ConditionExpression: "attribute_exists(#k) AND attribute_not_exists(#g)",
      ExpressionAttributeNames: { "#k": layout.key, "#g": layout.group },
      ExpressionAttributeValues: { ":g": { S: groupOf(key) } },
    };
    try {
      await this.#repeat(() => this.#requester.request("UpdateItem", request));
    } catch (error) {
      if (!(error instanceof Failure && error.kind === "condition")) throw error;
    }
  }

  async #mark(): Promise<void> {
    const { settings, runtime } = this.#requester;
    const { table, layout } = settings;
    const put = { kind: "put", key: markKey, value: Buffer.from(layout.group) } as const;
    const request = putRequest({ table, layout, wallMs: runtime.wallMs() }, put, runtime.id());
    try {
      await this.#repeat(() => this.#requester.request("UpdateItem", request));
    } catch (error) {
      // The copy before it was applied.
      if (!(error instanceof Failure && error.kind === "condition")) throw error;
    }
    this.#isMarked = true;
  }

  /** Both writes may be sent again: applied twice is as good as once. */
  #repeat<T>(action: () => Promise<T>): Promise<T> {
    const { runtime, closing } = this.#requester;
    const again = (error: unknown): boolean => error instanceof Failure && error.kind === "unknown";
    return retry(runtime, copies, action, again, closing);
  }
}
