import assert from "node:assert/strict";
import type { Backend, Operation } from "../../core/backend.ts";
import { LimitExceededError, UnsupportedError } from "../../core/errors.ts";
import { race } from "./race-cases.ts";
import {
  assertConflict,
  assertRejects,
  assertSameBytes,
  type BackendConformanceOptions,
  bytes,
  type CaseDefinition,
  committedVersions,
  put,
} from "./support.ts";

/** Commits of several keys: all or nothing. */
export function multiCases({ declared }: BackendConformanceOptions): readonly CaseDefinition[] {
  const single = declared.commitOperationsMax === 1;
  const skip = single
    ? { capability: "commitOperationsMax", reason: "this store commits one key at a time" }
    : undefined;
  const skipUnlessSingle = single
    ? undefined
    : { capability: "commitOperationsMax", reason: "this store commits several keys at once" };
  return [
    ...multiKeyCases.map((definition) => ({ ...definition, skip })),
    {
      title: "a commit of several keys is refused with UnsupportedError where only one is possible",
      skip: skipUnlessSingle,
      async check({ backend, key, settled }) {
        const operations = ["a", "b"].map(
          (name) => ({ kind: "put", key: key(name), value: bytes("x") }) as const,
        );
        await assertRejects(backend.commit(operations), UnsupportedError);
        await settled(key("a"), null);
        await settled(key("b"), null);
      },
    },
  ];
}

const multiKeyCases: readonly CaseDefinition[] = [
  {
    title:
      "a commit of several keys puts, deletes and checks together and answers in the order of its operations",
    async check({ backend, key, settled }) {
      await put(backend, key("gone"), "x");
      const checked = await put(backend, key("checked"), "y");
      const result = await backend.commit([
        { kind: "put", key: key("new"), value: bytes("1"), expect: null },
        { kind: "delete", key: key("gone") },
        { kind: "check", key: key("checked"), expect: checked },
        { kind: "check", key: key("never"), expect: null },
        { kind: "put", key: key("any"), value: bytes("2") },
      ]);
      const [created, deleted, same, absent, any] = committedVersions(result);
      assert.deepEqual([deleted, same, absent], [null, checked, null]);
      assertSameBytes((await settled(key("new"), created as string)).value, bytes("1"));
      assertSameBytes((await settled(key("any"), any as string)).value, bytes("2"));
      assertSameBytes((await settled(key("checked"), checked)).value, bytes("y"));
      await settled(key("gone"), null);
      await settled(key("never"), null);
    },
  },
  {
    title: "one expectation of several that does not hold leaves everything as it was, in every position",
    async check({ backend, other, key, settled }) {
      const here = await put(backend, key("here"), "x");
      const stale = here;
      const now = await put(backend, key("here"), "y");
      const truth = new Map([[key("here"), { version: now, value: bytes("y") }]]);
      const harmless: readonly Operation[] = [
        { kind: "put", key: key("b"), value: bytes("b"), expect: null },
        { kind: "delete", key: key("c") },
      ];
      const c = await put(backend, key("c"), "c");
      const failing: readonly Operation[] = [
        { kind: "check", key: key("here"), expect: stale },
        { kind: "put", key: key("here"), value: bytes("z"), expect: null },
        { kind: "delete", key: key("here"), expect: stale },
      ];
      for (const operation of failing) {
        for (const position of [0, 1, 2]) {
          assertConflict(await other.commit(harmless.toSpliced(position, 0, operation)), truth);
          await settled(key("b"), null);
          await settled(key("c"), c);
          await settled(key("here"), now);
        }
      }
    },
  },
  {
    title: "exactly one of 50 concurrent commits over two keys wins, and both keys are its own",
    async check({ backend, other, key, settled }) {
      const first = await put(backend, key("a"), "start");
      const second = await put(backend, key("b"), "start");
      const results = await race(backend, other, (racer) => {
        const value = bytes(`racer ${racer}`);
        const operations: readonly Operation[] = [
          { kind: "put", key: key("a"), value, expect: first },
          { kind: "put", key: key("b"), value, expect: second },
        ];
        return racer % 3 === 0 ? operations.toReversed() : operations;
      });
      const winners = results.flatMap((result, racer) => (result.committed ? [{ racer, result }] : []));
      assert.equal(winners.length, 1, `${winners.length} of 50 won`);
      const [winner] = winners;
      assert.ok(winner);
      const versions = winner.racer % 3 === 0 ? winner.result.versions.toReversed() : winner.result.versions;
      for (const [index, name] of ["a", "b"].entries()) {
        const record = await settled(key(name), versions[index] as string);
        assertSameBytes(record.value, bytes(`racer ${winner.racer}`));
      }
    },
  },
  {
    title: "a commit that only checks several keys says whether all of them hold, and changes nothing",
    async check({ backend, other, key, settled }) {
      const names = Array.from({ length: 20 }, (_, index) => key(`check.${index}`));
      const checks: { kind: "check"; key: string; expect: string | null }[] = [];
      for (const [index, name] of names.entries()) {
        checks.push({
          kind: "check",
          key: name,
          expect: index % 2 === 0 ? await put(backend, name, "x") : null,
        });
      }
      const expected = checks.map(({ expect }) => expect);
      for (const client of [backend, other]) {
        assert.deepEqual(committedVersions(await client.commit(checks)), expected);
      }
      const [first = "", second = ""] = names;
      const moved = await put(other, first, "y");
      const created = await put(other, second, "z");
      const truth = new Map([
        [first, { version: moved, value: bytes("y") }],
        [second, { version: created, value: bytes("z") }],
      ]);
      for (const order of [checks, checks.toReversed()]) assertConflict(await backend.commit(order), truth);
      await settled(first, moved);
      await settled(names.at(-2) as string, expected.at(-2) as string);
    },
  },
  {
    title: "a hundred puts, deletes and checks go through at once, and a second time none of them",
    async check({ backend, other, key, settled }) {
      const count = Math.min(100, backend.capabilities.commitOperationsMax);
      const names = Array.from({ length: count }, (_, index) => key(`mixed.${index}`));
      const before = committedVersions(
        await backend.commit(names.map((name) => ({ kind: "put", key: name, value: bytes("old") }))),
      );
      const operations = names.map((name, index): Operation => {
        const expect = before[index] as string;
        if (index % 4 === 0) return { kind: "check", key: name, expect };
        if (index % 4 === 1) return { kind: "delete", key: name, expect };
        return { kind: "put", key: name, value: bytes("new"), ...(index % 4 === 2 && { expect }) };
      });
      const after = committedVersions(await other.commit(operations));
      const truth = new Map<string, { version: string; value: Uint8Array } | null>();
      for (const [index, name] of names.entries()) {
        const version = after[index] as string;
        if (index % 4 === 0) assert.equal(version, before[index], "a check answers what it expected");
        if (index % 4 === 1) assert.equal(version, null, "a delete answers no version");
        if (index % 4 === 1) truth.set(name, null);
        if (index % 4 === 2) truth.set(name, { version, value: bytes("new") });
      }
      assertConflict(await backend.commit(operations), truth);
      for (const [index, name] of names.entries()) {
        const record = await settled(name, after[index] as string);
        if (index % 4 > 1) assertSameBytes(record.value, bytes("new"));
      }
    },
  },
  {
    title: "of two commits that each check what the other one writes, at most one goes through",
    async check({ backend, other, key }) {
      for (let round = 0; round < 20; round += 1) {
        const [left, right] = [key(`left.${round}`), key(`right.${round}`)];
        const cross = (client: Backend, own: string, others: string) =>
          client.commit([
            { kind: "check", key: others, expect: null },
            { kind: "put", key: own, value: bytes("x"), expect: null },
          ]);
        const results = await Promise.all([cross(backend, left, right), cross(other, right, left)]);
        assert.ok(!results.every(({ committed }) => committed), "both went through: neither saw the other");
      }
    },
  },
  {
    title: "a key that stands twice in one commit is refused and nothing is changed",
    async check({ backend, key, settled }) {
      const put = { kind: "put", key: key("a"), value: bytes("x") } as const;
      await assert.rejects(backend.commit([put, { ...put, value: bytes("y") }]));
      await assert.rejects(backend.commit([put, { kind: "check", key: key("a"), expect: null }]));
      await settled(key("a"), null);
    },
  },
  {
    title: "the largest number of operations goes through at once, and one more is refused",
    async check({ backend, key, settled }) {
      const { commitOperationsMax } = backend.capabilities;
      const puts = Array.from(
        { length: commitOperationsMax + 1 },
        (_, index) =>
          ({ kind: "put", key: key(`many.${index}`), value: bytes(String(index)), expect: null }) as const,
      );
      await assertRejects(backend.commit(puts), LimitExceededError);
      const versions = committedVersions(await backend.commit(puts.slice(1)));
      assert.equal(versions.length, commitOperationsMax);
      await settled(key("many.0"), null);
      await settled(key("many.1"), versions[0] as string);
      await settled(key(`many.${commitOperationsMax}`), versions.at(-1) as string);
    },
  },
];
