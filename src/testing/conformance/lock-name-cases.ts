import assert from "node:assert/strict";
import { assertCode, assertEmpty, type LockCaseDefinition } from "./lock-support.ts";

/** Names that some store or other takes for something else. */
const oddNames: readonly string[] = [
  "dots.in.it",
  ".",
  "..",
  "*",
  ">",
  "a.*",
  "a.>",
  "/../etc/passwd",
  "\\",
  "'; DROP TABLE records; --",
  '"quoted"',
  "%25 %",
  "a b\tc\nd",
  "\u0000",
  "null",
  "__proto__",
  "=2A",
  "naïve",
  "NAÏVE",
  "☕️👩‍👩‍👧‍👦",
  "日本語",
  "\u202egnp.exe",
  "#",
  "$JS.API.>",
  ":name",
  "x".repeat(1_024),
  `${"x".repeat(1_023)}y`,
  "é".repeat(512),
];

/** Names and namespaces: any text is a name, and no two share a lock. */
export const lockNameCases: readonly LockCaseDefinition[] = [
  {
    title: "any text is a name of its own, also what looks like a wildcard, a path or an expression",
    async check({ locks }) {
      const grants = await Promise.all(oddNames.map((name) => locks(name)[0].acquire({ wait: "30s" })));
      await Promise.all(
        oddNames.map(async (name, index) => {
          const [, other] = locks(name);
          assert.equal(await other.tryAcquire(), null, JSON.stringify(name));
          const inspection = await other.inspect();
          assert.equal(inspection?.name, name);
          assert.equal(inspection?.fence, grants[index]?.fence);
        }),
      );
      await Promise.all(grants.map((grant) => grant.release()));
      await Promise.all(oddNames.map((name) => assertEmpty(locks(name)[1])));
    },
  },
  {
    title: "names that no store could tell apart are refused before anything is sent",
    async check({ clients }) {
      const [{ backend, coordinator }] = clients;
      backend.resetCounts();
      for (const name of ["", "x".repeat(1_025), "é".repeat(513), "\ud800"]) {
        assert.throws(() => coordinator.lock(name), { code: "INVALID_ARGUMENT" });
      }
      await assertCode(coordinator.lock("fine").acquire({ wait: -1 }), "INVALID_ARGUMENT");
      assert.deepEqual(backend.counts, { reads: 0, writes: 0, wakes: 0 });
    },
  },
  {
    title: "the same name in two namespaces is two locks",
    async check({ coordinator, locks, namespace }) {
      const [lock] = locks("shared");
      const other = coordinator(1, `${namespace}.other`).lock("shared");
      const grants = [await lock.tryAcquire(), await other.tryAcquire()];
      assert.ok(grants[0] && grants[1], "a lock of another namespace is in the way");
      await grants[0].release();
      assert.equal((await other.inspect())?.holders.length, 1);
      await grants[1].release();
    },
  },
];
