// Goal: whatever happens to a request of the DynamoDB backend on its way, a write that was applied is never reported
// as a conflict, nothing is applied twice, and what is not known is said to be unknown.
import { describe, expect, test, vi } from "vitest";
import {
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  UnavailableError,
} from "../../src/core/errors.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";
import { faultyStore, put, putNow, read, readText, type Sender } from "./dynamodb-support.ts";

const lostReplies: readonly [string, Fault][] = [
  ["the connection was cut", { kind: "dropAfter" }],
  ["the answer was a 500", { kind: "answerAfter", answer: dynamodbError("InternalServerError", 500) }],
];
const senders: readonly Sender[] = ["own client", "user's client"];

describe.each(lostReplies)("after a write was applied and %s,", (_, fault) => {
  test.for(senders)("a put that expects a version is reported as committed, by the %s", async (sender) => {
    await using store = await faultyStore(sender);
    const version = await putNow(store.direct, "a", "one");
    store.proxy.next("UpdateItem", fault);
    const result = await store.backend.commit([put("a", "two", version)]);
    const record = await read(store.direct, "a");
    expect(result).toEqual({ committed: true, versions: [record?.version] });
    expect(Buffer.from(record?.value ?? []).toString()).toBe("two");
    expect(store.proxy.seen).toEqual(["UpdateItem", "UpdateItem"]);
  });

  test("a create by the own client is reported as unknown, and not sent again", async () => {
    await using store = await faultyStore();
    store.proxy.next("UpdateItem", fault);
    await expect(store.backend.commit([put("a", "one", null)])).rejects.toThrow(OutcomeUnknownError);
    expect(store.proxy.seen).toEqual(["UpdateItem"]);
    expect(await readText(store.direct, "a")).toBe("one");
  });

  test("a create that a user's client sends again is reported as committed", async () => {
    await using store = await faultyStore("user's client");
    store.proxy.next("UpdateItem", fault);
    const result = await store.backend.commit([put("a", "one", null)]);
    expect(result).toEqual({ committed: true, versions: [(await read(store.direct, "a"))?.version] });
  });

  test.for(senders)("a transaction is reported as committed and applied once, by the %s", async (sender) => {
    await using store = await faultyStore(sender);
    const version = await putNow(store.direct, "a", "one");
    store.proxy.next("TransactWriteItems", fault);
    const result = await store.backend.commit([put("a", "two", version), put("b", "new", null)]);
    const records = await store.direct.get(["a", "b"]);
    expect(result).toEqual({ committed: true, versions: records.map((record) => record?.version) });
    expect(store.proxy.seen).toEqual(["TransactWriteItems", "TransactWriteItems"]);
    const [first, second] = store.proxy.bodies;
    expect(second).toBe(first);
  });

  test.for(senders)("an add is counted once, by the %s", async (sender) => {
    await using store = await faultyStore(sender);
    await store.direct.add("n", 10, { writer: "other", sequence: 1 });
    store.proxy.next("UpdateItem", fault);
    expect(await store.backend.add("n", 5, { writer: "w", sequence: 1 })).toBe(15);
    expect(await store.direct.add("n", 0, { writer: "other", sequence: 2 })).toBe(15);
  });

  test.for(senders)("a delete is never reported as a conflict, by the %s", async (sender) => {
    await using store = await faultyStore(sender);
    const version = await putNow(store.direct, "a", "one");
    store.proxy.next("DeleteItem", fault);
    const deletion = store.backend.commit([{ kind: "delete", key: "a", expect: version }]);
    await expect(deletion).rejects.toThrow(OutcomeUnknownError);
    expect(await read(store.direct, "a")).toBeNull();
  });
});

describe("when a user's client sends a write again and others wrote in between,", () => {
  test.for([1, 2, 3])("it is committed as long as %i writes stand over it", async (count) => {
    await using store = await faultyStore("user's client");
    const version = await putNow(store.direct, "a", "one");
    const meanwhile = async () => {
      for (let index = 0; index < count; index++) await putNow(store.direct, "a", `over ${index}`);
    };
    store.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    const result = await store.backend.commit([put("a", "mine", version)]);
    expect(result.committed).toBe(true);
    expect(await readText(store.direct, "a")).toBe(`over ${count - 1}`);
  });

  test("it is unknown when more writes stand over it than the record remembers", async () => {
    await using store = await faultyStore("user's client");
    const version = await putNow(store.direct, "a", "one");
    const meanwhile = async () => {
      for (let index = 0; index < 4; index++) await putNow(store.direct, "a", `over ${index}`);
    };
    store.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    await expect(store.backend.commit([put("a", "mine", version)])).rejects.toThrow(OutcomeUnknownError);
  });

  test("it is unknown when the record was deleted", async () => {
    await using store = await faultyStore("user's client");
    const version = await putNow(store.direct, "a", "one");
    const meanwhile = () => store.direct.commit([{ kind: "delete", key: "a" }]);
    store.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    await expect(store.backend.commit([put("a", "mine", version)])).rejects.toThrow(OutcomeUnknownError);
  });

  test("it is a conflict when another write took the expected version and the first copy never arrived", async () => {
    await using store = await faultyStore("user's client");
    const version = await putNow(store.direct, "a", "one");
    const meanwhile = () => putNow(store.direct, "a", "other", version);
    store.proxy.next("UpdateItem", { kind: "dropBefore", meanwhile });
    const result = await store.backend.commit([put("a", "mine", version)]);
    expect(result).toEqual({
      committed: false,
      conflicts: [{ key: "a", current: await read(store.direct, "a") }],
    });
  });

  test("a put without an expectation does not overwrite them with its second copy", async () => {
    await using store = await faultyStore("user's client");
    const meanwhile = () => putNow(store.direct, "a", "later");
    store.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    expect((await store.backend.commit([put("a", "mine")])).committed).toBe(true);
    expect(await readText(store.direct, "a")).toBe("later");
  });

  test("an add between two copies of a put does not hide the put", async () => {
    await using store = await faultyStore("user's client");
    const counter = (sum: number) => JSON.stringify({ counter: sum, receipts: [] });
    const version = await putNow(store.direct, "n", counter(1));
    const meanwhile = () => store.direct.add("n", 5, { writer: "w", sequence: 1 });
    store.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile });
    expect((await store.backend.commit([put("n", counter(100), version)])).committed).toBe(true);
    expect(await store.direct.add("n", 0, { writer: "w", sequence: 2 })).toBe(105);
  });
});

describe("a request that is cut before it arrives", () => {
  test("is sent again where it expects a version, and then committed or refused for certain", async () => {
    await using store = await faultyStore();
    const version = await putNow(store.direct, "a", "one");
    store.proxy.next("UpdateItem", { kind: "dropBefore" });
    expect((await store.backend.commit([put("a", "two", version)])).committed).toBe(true);
    const meanwhile = () => putNow(store.direct, "a", "three");
    const second = (await read(store.direct, "a"))?.version as string;
    store.proxy.next("UpdateItem", { kind: "dropBefore", meanwhile });
    const result = await store.backend.commit([put("a", "mine", second)]);
    expect(result.committed).toBe(false);
  });

  test("is a read that is answered by the next try, or unavailable", async () => {
    await using store = await faultyStore();
    await putNow(store.direct, "a", "one");
    store.proxy.next("GetItem", { kind: "dropBefore" }, { kind: "dropBefore" });
    expect(await readText(store.backend, "a")).toBe("one");
    store.proxy.always("GetItem", { kind: "dropBefore" });
    await expect(store.backend.get(["a"])).rejects.toThrow(UnavailableError);
    await expect(store.backend.commit([{ kind: "check", key: "a", expect: null }])).rejects.toThrow(
      UnavailableError,
    );
  });
});

describe("an add", () => {
  test("of which every copy goes unanswered is unknown, and the same add again tells its sum", async () => {
    await using store = await faultyStore();
    store.proxy.next("UpdateItem", { kind: "dropAfter" }, { kind: "dropAfter" }, { kind: "dropAfter" });
    const operation = { writer: "w", sequence: 1 };
    await expect(store.backend.add("n", 5, operation)).rejects.toThrow(OutcomeUnknownError);
    expect(await store.backend.add("n", 5, operation)).toBe(5);
    expect(await store.direct.add("n", 0, { writer: "other", sequence: 1 })).toBe(5);
  });

  test.for(senders)(
    "of eight writers through many faults is counted once each, by the %s",
    async (sender) => {
      await using store = await faultyStore(sender);
      const faults: readonly Fault[] = [
        { kind: "dropAfter" },
        { kind: "answerAfter", answer: dynamodbError("InternalServerError", 500) },
        { kind: "dropBefore" },
        { kind: "answer", answer: dynamodbError("ProvisionedThroughputExceededException") },
      ];
      const sums: number[] = [];
      const writer = async (name: string) => {
        for (let sequence = 1; sequence <= 10; sequence++) {
          if (sequence % 2 === 0) store.proxy.next("UpdateItem", faults[(sequence / 2) % 4] as Fault);
          const operation = { writer: name, sequence };
          sums.push(
            await store.backend.add("n", 1, operation).catch(() => store.direct.add("n", 1, operation)),
          );
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, index) => writer(`writer-${index}`)));
      expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
    },
  );

  test("to a counter that commit wrote is counted once when the conversion's answer is lost", async () => {
    await using store = await faultyStore();
    await putNow(store.direct, "n", JSON.stringify({ counter: 40, receipts: [["old", 3, 40]] }));
    store.proxy.next("PutItem", { kind: "dropAfter" });
    expect(await store.backend.add("n", 2, { writer: "w", sequence: 1 })).toBe(42);
    expect(await store.direct.add("n", 7, { writer: "old", sequence: 3 })).toBe(40);
    expect(await store.direct.add("n", 0, { writer: "w", sequence: 2 })).toBe(42);
  });
});

describe("a refusal for the moment", () => {
  const throttled: Fault = {
    kind: "answer",
    answer: dynamodbError("ProvisionedThroughputExceededException", 400, {
      ThrottlingReasons: [{ reason: "TableWriteKeyRangeThroughputExceeded", resource: "table" }],
    }),
  };

  test("is waited out when it is short", async () => {
    await using store = await faultyStore();
    store.proxy.next("UpdateItem", throttled, throttled);
    expect((await store.backend.commit([put("a", "one", null)])).committed).toBe(true);
    expect(store.proxy.seen).toHaveLength(3);
  });

  test("that lasts is unavailable after a bounded number of tries, and names the hot key", async () => {
    await using store = await faultyStore();
    store.proxy.always("UpdateItem", throttled);
    const commit = store.backend.commit([put("a.hot", "one", null)]);
    await expect(commit).rejects.toThrow(/key a\.hot is hot/);
    await expect(commit).rejects.toThrow(UnavailableError);
    expect(store.proxy.seen).toHaveLength(6);
    store.proxy.forget();
    const urgent = store.backend.commit([put("a.hot", "one", null)], { urgent: true });
    await expect(urgent).rejects.toThrow(UnavailableError);
    expect(store.proxy.seen).toHaveLength(3);
  });

  const cancelled = (...codes: string[]): Fault => ({
    kind: "answer",
    answer: dynamodbError("TransactionCanceledException", 400, {
      CancellationReasons: codes.map((Code) => ({ Code })),
    }),
  });

  test("by another transaction on the same items is waited out with the same token", async () => {
    await using store = await faultyStore();
    const collision = cancelled("None", "TransactionConflict");
    store.proxy.next("TransactWriteItems", collision, collision, collision);
    expect((await store.backend.commit([put("a", "1", null), put("b", "1", null)])).committed).toBe(true);
    expect(new Set(store.proxy.bodies).size).toBe(1);
    expect(store.proxy.bodies).toHaveLength(4);
  });

  test("by another transaction that lasts is unavailable", async () => {
    await using store = await faultyStore();
    store.proxy.always("TransactWriteItems", cancelled("TransactionConflict", "ThrottlingError"));
    const commit = store.backend.commit([put("a", "1", null), put("b", "1", null)]);
    await expect(commit).rejects.toThrow(UnavailableError);
    expect(store.proxy.seen).toHaveLength(9);
  });

  test("by a running transaction does not make a single write fail", async () => {
    await using store = await faultyStore();
    const conflict: Fault = { kind: "answer", answer: dynamodbError("TransactionConflictException") };
    store.proxy.next("UpdateItem", conflict, conflict);
    expect((await store.backend.commit([put("a", "one", null)])).committed).toBe(true);
  });

  test("together with an expectation that does not hold is a conflict", async () => {
    await using store = await faultyStore();
    await putNow(store.direct, "a", "one");
    store.proxy.next("TransactWriteItems", cancelled("ConditionalCheckFailed", "TransactionConflict"));
    const result = await store.backend.commit([put("a", "1", null), put("b", "1", null)]);
    expect(result).toEqual({
      committed: false,
      conflicts: [{ key: "a", current: await read(store.direct, "a") }],
    });
  });

  test("of part of a batch is waited out", async () => {
    await using store = await faultyStore();
    for (const key of ["a", "b", "c"]) await putNow(store.direct, key, key);
    const change = ({ Responses, ...rest }: Record<string, unknown>) => {
      const [first, ...others] = (Responses as Record<string, Record<string, object>[]>)[store.table] ?? [];
      const Keys = others.map((item) => ({ pk: item.pk }));
      return {
        ...rest,
        Responses: { [store.table]: [first] },
        UnprocessedKeys: { [store.table]: { Keys } },
      };
    };
    store.proxy.next("BatchGetItem", { kind: "rewrite", change });
    const records = await store.backend.get(["a", "b", "c", "d"]);
    expect(records.map((record) => record?.key ?? null)).toEqual(["a", "b", "c", null]);
  });
});

describe("a server that never answers", () => {
  test("is given up after the time limit: reads unavailable, writes unknown", async () => {
    await using store = await faultyStore("own client", "&requestTimeout=200ms");
    for (const operation of ["GetItem", "UpdateItem", "TransactWriteItems"]) {
      store.proxy.always(operation, { kind: "hangAfter" });
    }
    const startMs = performance.now();
    await expect(store.backend.get(["a"])).rejects.toThrow(UnavailableError);
    await expect(store.backend.commit([put("a", "one", null)])).rejects.toThrow(OutcomeUnknownError);
    const both = [put("b", "one", null), put("c", "one", null)];
    await expect(store.backend.commit(both)).rejects.toThrow(OutcomeUnknownError);
    await expect(store.backend.add("n", 1, { writer: "w", sequence: 1 })).rejects.toThrow(
      OutcomeUnknownError,
    );
    expect(performance.now() - startMs).toBeGreaterThan(7 * 200 - 50);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  test("is given up after the time limit with a user's client, which has none of its own", async () => {
    await using store = await faultyStore("user's client");
    store.proxy.always("UpdateItem", { kind: "hangAfter" });
    await expect(store.backend.commit([put("a", "one", null)])).rejects.toThrow(OutcomeUnknownError);
  });

  test("may still apply a write that was given up, but not once the record has moved on", async () => {
    await using store = await faultyStore("own client", "&requestTimeout=200ms");
    const version = await putNow(store.direct, "a", "one");
    const [gate, landed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.proxy.next("UpdateItem", { kind: "delay", until: gate.promise, landed: landed.resolve });
    await expect(store.backend.commit([put("a", "late", version)])).rejects.toThrow(OutcomeUnknownError);
    await putNow(store.direct, "a", "moved on", version);
    gate.resolve();
    await landed.promise;
    expect(await readText(store.direct, "a")).toBe("moved on");
  });

  test("does not hold up heartbeats, which have sockets of their own", async () => {
    await using store = await faultyStore();
    store.proxy.always("GetItem", { kind: "hangAfter" });
    const stuck = Array.from({ length: 70 }, (_, index) => store.backend.get([`stuck.${index}`]));
    const allStuck = Promise.allSettled(stuck).then(() => "stuck");
    const heartbeat = store.backend.commit([put("a", "beat", null)], { urgent: true }).then(() => "beat");
    expect(await Promise.race([allStuck, heartbeat])).toBe("beat");
    await allStuck;
  });

  test("does not keep the backend from closing", async () => {
    await using store = await faultyStore("own client", "&requestTimeout=200ms");
    store.proxy.always("UpdateItem", { kind: "hangAfter" });
    const commit = store.backend.commit([put("a", "one", null)]);
    const outcome = expect(commit).rejects.toThrow(OutcomeUnknownError);
    await vi.waitUntil(() => store.proxy.seen.length === 1);
    await store.backend.close();
    await outcome;
  });
});

describe("a refusal for good", () => {
  test("for lack of rights is a PermissionDeniedError that names the request", async () => {
    await using store = await faultyStore();
    const denied: Fault = { kind: "answer", answer: dynamodbError("AccessDeniedException") };
    store.proxy.next("UpdateItem", denied);
    const commit = store.backend.commit([put("a", "one", null)]);
    await expect(commit).rejects.toThrow(PermissionDeniedError);
    await expect(commit).rejects.toThrow(/UpdateItem on table .* is not permitted/);
    store.proxy.next("GetItem", denied);
    await expect(store.backend.get(["a"])).rejects.toThrow(PermissionDeniedError);
    expect(store.proxy.seen).toEqual(["UpdateItem", "GetItem"]);
  });

  test("as invalid says what to check", async () => {
    await using store = await faultyStore();
    store.proxy.next("UpdateItem", { kind: "answer", answer: dynamodbError("ValidationException") });
    await expect(store.backend.commit([put("a", "one", null)])).rejects.toThrow(StoreMisconfiguredError);
  });

  test("that a user's client meets after an unanswered copy leaves the outcome unknown", async () => {
    await using store = await faultyStore("user's client");
    const denied: Fault = { kind: "answer", answer: dynamodbError("AccessDeniedException") };
    store.proxy.next("UpdateItem", { kind: "dropAfter" }, denied);
    await expect(store.backend.commit([put("a", "one", null)])).rejects.toThrow(OutcomeUnknownError);
  });
});

describe("a store that does not send the item with a failed condition", () => {
  test("costs a read more, and the conflict still carries the record", async () => {
    await using store = await faultyStore();
    const version = await putNow(store.direct, "a", "one");
    const current = await read(store.direct, "a");
    const change = ({ Item: _, ...rest }: Record<string, unknown>) => rest;
    store.proxy.always("UpdateItem", { kind: "rewrite", change });
    expect(await store.backend.commit([put("a", "two", null)])).toEqual({
      committed: false,
      conflicts: [{ key: "a", current }],
    });
    expect(await store.backend.commit([put("a", "two", "another version")])).toEqual({
      committed: false,
      conflicts: [{ key: "a", current }],
    });
    expect(store.proxy.seen).toEqual(["UpdateItem", "GetItem", "UpdateItem", "GetItem"]);
    expect(version).toBe(current?.version);
  });
});
