import { backoffMs } from "../../../core/backoff.ts";
import { UnavailableError } from "../../../core/errors.ts";
import { sleep } from "../../../core/runtime.ts";
import { Failure } from "../failure.ts";
import { retry } from "../retry.ts";
import { type Attributes, fromAttributes, refused } from "./attribute-values.ts";
import { Expression, type ItemPath, projection, segmentsOf } from "./expression.ts";
import { keyIdentity, keyIn } from "./item-key.ts";
import { ask, copies, type ItemTable, itemsError } from "./item-table.ts";

/** What became of many writes: those that are not in `failed` were applied. */
export interface ItemBatchResult {
  readonly written: number;
  /** By their place in the array that was passed, each with its error. An `OUTCOME_UNKNOWN` may have been applied. */
  readonly failed: readonly { readonly index: number; readonly error: Error }[];
}

const [readsMax, writesMax] = [100, 25];
/** Rounds in a row in which nothing was processed before a batch gives up. */
const emptyRoundsMax = 5;
const roundBackoff = { firstMs: 50, maxMs: 1_600 };

/** The items of many keys, in their order. */
export async function readMany(
  table: ItemTable,
  keys: readonly Attributes[],
  consistent: boolean,
  project: readonly ItemPath[] | undefined,
): Promise<readonly (Record<string, unknown> | null)[]> {
  const { requester, name, names } = table;
  const expression = new Expression();
  // An item is found by its key, so that has to come along.
  const more = Object.values(names).filter((key) => !project?.some((path) => `${segmentsOf(path)}` === key));
  const shape = { ConsistentRead: consistent, ...projection(expression, project && [...project, ...more]) };
  const found = new Map<string, Record<string, unknown>>();
  const distinct = [...new Map(keys.map((key) => [keyIdentity(names, key), key])).values()];
  for (let start = 0; start < distinct.length; start += readsMax) {
    const left = await inRounds(table, distinct.slice(start, start + readsMax), async (pending) => {
      const RequestItems = { [name]: { Keys: pending as Attributes[], ...shape, ...expression.members } };
      const answer = await ask(requester, "BatchGetItem", { RequestItems });
      for (const item of Object.values(answer.Responses ?? {}).flat()) {
        found.set(keyIdentity(names, item), fromAttributes(item));
      }
      return Object.values(answer.UnprocessedKeys ?? {}).flatMap(({ Keys }) => Keys ?? []);
    });
    if (left.length > 0) throw atItsLimit(name, left.length);
  }
  return keys.map((key) => found.get(keyIdentity(names, key)) ?? null);
}

/** Puts or deletes many items; of several writes of one item, only the last is sent, and speaks for all. */
export async function writeMany(
  table: ItemTable,
  type: "Put" | "Delete",
  writes: readonly Attributes[],
): Promise<ItemBatchResult> {
  const { name, names } = table;
  const groups = new Map<string, { last: Attributes; readonly indexes: number[] }>();
  for (const [index, write] of writes.entries()) {
    const group = groups.get(keyIdentity(names, write));
    if (group === undefined) groups.set(keyIdentity(names, write), { last: write, indexes: [index] });
    else {
      group.last = write;
      group.indexes.push(index);
    }
  }
  const waiting = [...groups].map(([identity, { last }]) => [identity, last] as const);
  const failed: { index: number; error: Error }[] = [];
  const fail = (identities: readonly string[], error: Error): void => {
    for (const index of identities.flatMap((identity) => groups.get(identity)?.indexes ?? [])) {
      failed.push({ index, error });
    }
  };
  while (waiting.length > 0) {
    const chunk = new Map(waiting.splice(0, writesMax));
    try {
      const left = await inRounds(table, [...chunk.values()], async (pending) => {
        const unprocessed = await sendBatch(table, type, pending);
        // Those that are not among them are done: no later failure is theirs.
        const rest = unprocessed.map((item) => keyIdentity(names, keyIn(names, item)));
        for (const identity of chunk.keys()) if (!rest.includes(identity)) chunk.delete(identity);
        return unprocessed;
      });
      if (left.length > 0) fail([...chunk.keys()], atItsLimit(name, left.length));
    } catch (error) {
      fail([...chunk.keys()], error as Error);
      const later = new UnavailableError(`not sent, because a request before failed: ${error}`, {
        cause: error,
      });
      fail(
        waiting.splice(0).map(([identity]) => identity),
        later,
      );
    }
  }
  failed.sort((a, b) => a.index - b.index);
  return { written: writes.length - failed.length, failed };
}

async function sendBatch(
  { requester, name }: ItemTable,
  type: "Put" | "Delete",
  pending: readonly Attributes[],
): Promise<readonly Attributes[]> {
  const requests = pending.map((write) =>
    type === "Put" ? { PutRequest: { Item: write } } : { DeleteRequest: { Key: write } },
  );
  let unanswered = 0;
  const again = (error: unknown): boolean => {
    if (!(error instanceof Failure) || error.kind !== "unknown") return false;
    unanswered += 1;
    return !error.timedOut;
  };
  try {
    const send = () => requester.request("BatchWriteItem", { RequestItems: { [name]: requests } });
    const { UnprocessedItems = {} } = await retry(requester.runtime, copies, send, again);
    return Object.values(UnprocessedItems)
      .flat()
      .map(({ PutRequest, DeleteRequest }) => PutRequest?.Item ?? DeleteRequest?.Key ?? {});
  } catch (error) {
    throw await itemsError(requester, error, "BatchWriteItem", { sentBefore: unanswered > 0 });
  }
}

/** Sends what was left unprocessed again, with jittered pauses, while there is progress. Gives what is left then. */
async function inRounds(
  { requester: { runtime } }: ItemTable,
  all: readonly Attributes[],
  send: (pending: readonly Attributes[]) => Promise<readonly Attributes[]>,
): Promise<readonly Attributes[]> {
  let pending = all;
  for (let emptyRounds = 0; ; emptyRounds++) {
    const left = await send(pending);
    if (left.length === 0 || emptyRounds === emptyRoundsMax) return left;
    // An answer ends at 16 MB, so a round that got something is progress and not a refusal.
    if (left.length < pending.length) emptyRounds = -1;
    pending = left;
    await sleep(runtime, backoffMs(runtime, Math.max(0, emptyRounds), roundBackoff), {
      holdsProcessOpen: true,
    });
  }
}

function atItsLimit(table: string, left: number): UnavailableError {
  return new UnavailableError(
    `table ${table} left ${left} items of a batch unprocessed in ${emptyRoundsMax + 1} rounds: it is at its limit of throughput`,
  );
}

/** @throws InvalidArgumentError */
export function checkList(what: string, list: unknown): void {
  if (!Array.isArray(list)) throw refused(what, "an array", list);
}
