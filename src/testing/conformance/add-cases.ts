import assert from "node:assert/strict";
import type { Backend } from "../../core/backend.ts";
import { decodeCounter } from "../../core/counter-record.ts";
import { CorruptRecordError, LimitExceededError, OutcomeUnknownError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { assertRejects, assertSameBytes, bytes, type CaseDefinition, put } from "./support.ts";

/** Counters: every operation is applied once. */
export const addCases: readonly CaseDefinition[] = [
  {
    title: "an add starts at 0 and answers the sum after it, upwards and downwards",
    async check({ backend, other, key }) {
      const add = adder(key("a"));
      assert.equal(await add(backend, 5), 5);
      assert.equal(await add(other, -7), -2);
      assert.equal(await add(backend, 0), -2);
      assert.equal(await adder(key("b"))(backend, -1), -1, "another key is another counter");
    },
  },
  {
    title: "the same add again changes nothing and gets the same answer, also over another client",
    async check({ backend, other, key }) {
      const operation = { writer: systemRuntime.id(), sequence: 1 };
      assert.equal(await backend.add(key("a"), 5, operation), 5);
      assert.equal(await backend.add(key("a"), 5, operation), 5);
      assert.equal(await adder(key("a"))(other, 10), 15);
      assert.equal(await other.add(key("a"), 5, operation), 5, "the answer of then, not of now");
      assert.equal(await adder(key("a"))(backend, 0), 15);
    },
  },
  {
    title:
      "an add that comes again after a hundred other writers is answered as then, or refused as unknown: never applied twice",
    async check({ backend, other, key }) {
      const operation = { writer: systemRuntime.id(), sequence: 1 };
      assert.equal(await backend.add(key("a"), 1_000, operation), 1_000);
      for (let writer = 1; writer <= 100; writer += 1) await adder(key("a"))(other, 1);
      for (const client of [backend, other, other]) {
        const again = await client
          .add(key("a"), 1_000, { ...operation, again: true })
          .catch((error) => error);
        if (again === 1_000) continue;
        assert.ok(again instanceof OutcomeUnknownError, String(again));
        assert.equal(again.retryable, false);
      }
      assert.equal(await adder(key("a"))(backend, 0), 1_100);
    },
  },
  {
    title: "an add that comes again and was not applied before is applied, once, also by a writer who is new",
    async check({ backend, other, key }) {
      const few = Array.from({ length: 8 }, () => adder(key("a")));
      for (let round = 0; round < 10; round += 1) for (const add of few) await add(backend, 1);
      const operation = { writer: systemRuntime.id(), sequence: 1, again: true };
      assert.equal(await other.add(key("a"), 1_000, operation), 1_080);
      assert.equal(await backend.add(key("a"), 1_000, operation), 1_080);
      assert.equal(await backend.add(key("a"), 1_000, { ...operation, sequence: 2 }), 2_080);
      assert.equal(await adder(key("a"))(backend, 0), 2_080);
    },
  },
  {
    title: "20 concurrent repetitions of one add are applied once and get the same answer",
    async check({ backend, other, key }) {
      const operation = { writer: systemRuntime.id(), sequence: 1 };
      const clients = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? backend : other));
      const sums = await Promise.all(clients.map((client) => client.add(key("a"), 3, operation)));
      assert.deepEqual(new Set(sums), new Set([3]));
      assert.equal(await adder(key("a"))(backend, 0), 3);
    },
  },
  {
    title: "concurrent adds of ten writers over two clients each get a sum of their own",
    async check({ backend, other, key }) {
      const writers = 10;
      const addsEach = 5;
      const sums = await Promise.all(
        Array.from({ length: writers }, async (_, index) => {
          const add = adder(key("a"));
          const mine: number[] = [];
          for (let done = 0; done < addsEach; done += 1)
            mine.push(await add(index % 2 === 0 ? backend : other, 1));
          return mine;
        }),
      );
      const expected = Array.from({ length: writers * addsEach }, (_, index) => index + 1);
      assert.deepEqual(
        sums.flat().sort((a, b) => a - b),
        expected,
      );
    },
  },
  {
    title: "a counter reaches both ends of the safe integers, and a sum beyond is refused and not applied",
    async check({ backend, key }) {
      const up = adder(key("up"));
      assert.equal(await up(backend, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
      await assertRejects(adder(key("up"))(backend, 1), LimitExceededError);
      assert.equal(await up(backend, 0), Number.MAX_SAFE_INTEGER);
      assert.equal(await up(backend, -Number.MAX_SAFE_INTEGER), 0);
      const down = adder(key("down"));
      assert.equal(await down(backend, Number.MIN_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
      await assertRejects(adder(key("down"))(backend, -1), LimitExceededError);
      assert.equal(await down(backend, 0), Number.MIN_SAFE_INTEGER);
    },
  },
  {
    title: "reading a counter gives a value that decodes to its sum, by key and in a scan",
    async check({ backend, key, until }) {
      await adder(key("a.b"))(backend, 42);
      await until("the counter is read", async () => {
        const [record] = await backend.get([key("a.b")]);
        return record != null && decodeCounter(key("a.b"), record.value).sum === 42;
      });
      await until("the counter is found", async () => {
        const [record] = (await backend.scan(key("a."))).records;
        return record !== undefined && decodeCounter(record.key, record.value).sum === 42;
      });
    },
  },
  {
    title: "a counter that was deleted starts at 0 again",
    async check({ backend, other, key, settled }) {
      await adder(key("a"))(backend, 42);
      assert.equal((await other.commit([{ kind: "delete", key: key("a") }])).committed, true);
      await settled(key("a"), null);
      assert.equal(await adder(key("a"))(backend, 1), 1);
    },
  },
  {
    title: "an add to a record that is no counter is refused with CorruptRecordError and leaves the record",
    async check({ backend, key, settled }) {
      for (const value of [
        "",
        "text",
        "null",
        "7",
        "[]",
        "{}",
        '{"sum":1}',
        '{"counter":1}',
        '{"counter":1.5}',
      ]) {
        const version = await put(backend, key("a"), value);
        await assertRejects(adder(key("a"))(backend, 1), CorruptRecordError);
        assertSameBytes((await settled(key("a"), version)).value, bytes(value));
      }
    },
  },
];

/** One writer to one counter: numbers its adds. */
function adder(key: string): (backend: Backend, delta: number) => Promise<number> {
  const writer = systemRuntime.id();
  let sequence = 0;
  return (backend, delta) => {
    sequence += 1;
    return backend.add(key, delta, { writer, sequence });
  };
}
