import assert from "node:assert/strict";
import type { Backend, Operation } from "../../core/backend.ts";
import { ClosedError, LimitExceededError, StoreMissingError } from "../../core/errors.ts";
import {
  assertRejects,
  assertSameBytes,
  type BackendConformanceOptions,
  bytes,
  type CaseDefinition,
  committedVersion,
  put,
} from "./support.ts";

/** Limits, times to live, setting up and closing. */
export function lifecycleCases(options: BackendConformanceOptions): readonly CaseDefinition[] {
  const { createMissing, declared } = options;
  const missing = typeof createMissing === "function" ? createMissing : undefined;
  const skip =
    typeof createMissing === "function"
      ? undefined
      : { capability: "createMissing", reason: createMissing.skip };
  return [
    {
      title: "the backend declares the capabilities it is supposed to have, and sensible limits",
      async check({ backend }) {
        const { commitOperationsMax, wake, watch, orderedScan, ...limits } = backend.capabilities;
        assert.deepEqual({ commitOperationsMax, wake, watch, orderedScan }, { ...declared });
        assert.ok(["process", "machine", "network"].includes(limits.scope));
        assert.ok(Number.isSafeInteger(commitOperationsMax) && commitOperationsMax >= 1);
        assert.ok(Number.isSafeInteger(limits.keyBytesMax) && limits.keyBytesMax >= 640);
        assert.ok(Number.isSafeInteger(limits.valueBytesMax) && limits.valueBytesMax >= 131_072);
        assert.notEqual(backend.kind, "");
      },
    },
    ...cases,
    {
      title: "a store that is missing is reported with StoreMissingError and created by setup only",
      skip,
      async check() {
        assert.ok(missing);
        const { backend, destroy } = await missing();
        try {
          const write: Operation = { kind: "put", key: "a", value: bytes("x") };
          for (let round = 0; round < 2; round += 1) {
            await assertRejects(backend.setup({ create: false }), StoreMissingError);
            await assertRejects(backend.get(["a"]), StoreMissingError);
            await assertRejects(backend.scan("a"), StoreMissingError);
            await assertRejects(backend.time(), StoreMissingError);
            await assertRejects(backend.commit([write]), StoreMissingError);
            await assertRejects(backend.add("b", 1, { writer: "w", sequence: 1 }), StoreMissingError);
          }
          await backend.setup();
          assert.equal((await backend.commit([{ ...write, expect: null }])).committed, true);
        } finally {
          await destroy();
        }
      },
    },
  ];
}

const cases: readonly CaseDefinition[] = [
  {
    title: "the largest value goes through under the largest key and comes back as it was",
    async check({ backend, other, key, settled }) {
      const { keyBytesMax, valueBytesMax } = backend.capabilities;
      const largestKey = key("k").padEnd(keyBytesMax, "k");
      const value = Uint8Array.from(
        { length: valueBytesMax },
        (_, index) => (index * 31 + (index >> 8)) % 256,
      );
      const result = await backend.commit([{ kind: "put", key: largestKey, value, expect: null }]);
      assertSameBytes((await settled(largestKey, committedVersion(result))).value, value);
      const [record] = (await other.scan(largestKey)).records;
      assertSameBytes(record?.value ?? new Uint8Array(0), value);
    },
  },
  {
    title: "a key or a value beyond the limit is refused with LimitExceededError and nothing is stored",
    async check({ backend, key, settled }) {
      const { keyBytesMax, valueBytesMax } = backend.capabilities;
      const longKey = key("k").padEnd(keyBytesMax + 1, "k");
      const refused: readonly (() => Promise<unknown>)[] = [
        () => backend.commit([{ kind: "put", key: longKey, value: bytes("x") }]),
        () => backend.commit([{ kind: "delete", key: longKey }]),
        () => backend.get([longKey]),
        () => backend.add(longKey, 1, { writer: "w", sequence: 1 }),
        () => backend.commit([{ kind: "put", key: key("a"), value: new Uint8Array(valueBytesMax + 1) }]),
      ];
      for (const request of refused) await assertRejects(request(), LimitExceededError);
      await settled(key("a"), null);
    },
  },
  {
    title: "a record with a time to live is there before it ends, and behaves like any other",
    async check({ backend, other, key, settled }) {
      const record = { kind: "put", key: key("a"), value: bytes("x"), ttlMs: 3_600_000 } as const;
      const first = committedVersion(await backend.commit([{ ...record, expect: null }]));
      await settled(key("a"), first);
      const second = committedVersion(await other.commit([{ ...record, value: bytes("y"), expect: first }]));
      assertSameBytes((await settled(key("a"), second)).value, bytes("y"));
      const third = await put(backend, key("a"), "stays");
      assertSameBytes((await settled(key("a"), third)).value, bytes("stays"));
      // Shorter and longer than any unit a store may count in.
      for (const ttlMs of [1, 999, 1_001, 0.5, 10 * 365 * 86_400_000]) {
        await backend.commit([{ ...record, key: key(`b.${ttlMs === 0.5 ? "half" : ttlMs}`), ttlMs }]);
      }
    },
  },
  {
    title: "setting up again, from both clients at once, changes nothing",
    async check({ backend, other, key, settled }) {
      const version = await put(backend, key("a"), "x");
      await Promise.all([backend.setup(), other.setup(), other.setup({ create: false }), backend.setup()]);
      await settled(key("a"), version);
    },
  },
  {
    title: "an urgent request is answered like any other",
    async check({ backend, key, until }) {
      const operation: Operation = { kind: "put", key: key("a"), value: bytes("x"), expect: null };
      const version = committedVersion(await backend.commit([operation], { urgent: true }));
      await until("the record is read", async () => {
        const [record] = await backend.get([key("a")], { urgent: true });
        return record?.version === version;
      });
      assert.equal((await backend.commit([operation], { urgent: true })).committed, false);
    },
  },
  {
    title: "nothing answers synchronously, and a refused request rejects instead of throwing",
    async check({ backend, key }) {
      const calls: readonly (() => Promise<unknown>)[] = [
        () => backend.commit([{ kind: "put", key: "not a key", value: bytes("x") }]),
        () => backend.get(["not a key"]),
        () => backend.add("not a key", 1, { writer: "w", sequence: 1 }),
        () => backend.scan(key(""), { cursor: "no cursor" }),
      ];
      for (const call of calls) await assert.rejects(call());
    },
  },
  {
    title: "a closed backend rejects every request with ClosedError, and the other client goes on",
    async check({ backend, other, key }) {
      await put(backend, key("a"), "x");
      backend.watch(key("a"), () => {});
      await backend.close();
      await backend.close();
      await assertClosed(backend, key("a"));
      backend.wake("nobody", "never throws");
      if (other !== backend) await put(other, key("a"), "y");
    },
  },
];

async function assertClosed(backend: Backend, key: string): Promise<void> {
  await assertRejects(backend.setup(), ClosedError);
  await assertRejects(backend.get([key]), ClosedError);
  await assertRejects(backend.scan(key), ClosedError);
  await assertRejects(backend.time(), ClosedError);
  await assertRejects(backend.commit([{ kind: "put", key, value: bytes("y") }]), ClosedError);
  await assertRejects(backend.add(`${key}.b`, 1, { writer: "w", sequence: 1 }), ClosedError);
}
