import assert from "node:assert/strict";
import type { Backend, Expectation, Operation } from "../../core/backend.ts";
import {
  assertConflict,
  assertSameBytes,
  bytes,
  type CaseDefinition,
  committedVersion,
  committedVersions,
  put,
} from "./support.ts";

/** What a commit of one key does under each kind of expectation. */
export const commitCases: readonly CaseDefinition[] = [
  {
    title: "a put without an expectation creates, then replaces",
    async check({ backend, key, settled }) {
      const first = await put(backend, key("a"), "one");
      assertSameBytes((await settled(key("a"), first)).value, bytes("one"));
      const second = await put(backend, key("a"), "two");
      assert.notEqual(second, first);
      const record = await settled(key("a"), second);
      assert.equal(record.key, key("a"));
      assertSameBytes(record.value, bytes("two"));
    },
  },
  {
    title: "a put that expects absence creates once and then conflicts with the record that is there",
    async check({ backend, other, key, settled }) {
      const operation = { kind: "put", key: key("a"), value: bytes("one"), expect: null } as const;
      const version = committedVersion(await backend.commit([operation]));
      const again = await other.commit([{ ...operation, value: bytes("two") }]);
      assertConflict(again, new Map([[key("a"), { version, value: bytes("one") }]]));
      assertSameBytes((await settled(key("a"), version)).value, bytes("one"));
    },
  },
  {
    title: "a put that expects a version replaces that version only",
    async check({ backend, other, key, settled }) {
      const first = await put(backend, key("a"), "one");
      const update = { kind: "put", key: key("a"), value: bytes("two"), expect: first } as const;
      const second = committedVersion(await other.commit([update]));
      assert.notEqual(second, first);
      const late = await backend.commit([{ ...update, value: bytes("three") }]);
      assertConflict(late, new Map([[key("a"), { version: second, value: bytes("two") }]]));
      assertSameBytes((await settled(key("a"), second)).value, bytes("two"));
    },
  },
  {
    title: "a put of the same bytes is a new version",
    async check({ backend, key }) {
      const first = await put(backend, key("a"), "same");
      assert.notEqual(await put(backend, key("a"), "same"), first);
    },
  },
  {
    title: "a put that expects a version conflicts when there is no record, now or any more",
    async check({ backend, other, key, settled }) {
      const gone = await put(backend, key("a"), "one");
      await backend.commit([{ kind: "delete", key: key("a") }]);
      for (const missing of [key("a"), key("never")]) {
        const result = await other.commit([{ kind: "put", key: missing, value: bytes("x"), expect: gone }]);
        assertConflict(result, new Map([[missing, null]]));
        await settled(missing, null);
      }
    },
  },
  {
    title: "a delete without an expectation deletes, and deletes nothing without complaint",
    async check({ backend, key, settled }) {
      await put(backend, key("a"), "one");
      for (let round = 0; round < 2; round += 1) {
        const result = await backend.commit([{ kind: "delete", key: key("a") }]);
        assert.deepEqual(committedVersions(result), [null]);
        await settled(key("a"), null);
      }
    },
  },
  {
    title: "a delete that expects a version deletes that version only",
    async check({ backend, other, key, settled }) {
      const first = await put(backend, key("a"), "one");
      const second = await put(other, key("a"), "two");
      const late = await backend.commit([{ kind: "delete", key: key("a"), expect: first }]);
      assertConflict(late, new Map([[key("a"), { version: second, value: bytes("two") }]]));
      await settled(key("a"), second);
      const result = await backend.commit([{ kind: "delete", key: key("a"), expect: second }]);
      assert.deepEqual(committedVersions(result), [null]);
      await settled(key("a"), null);
      const again = await other.commit([{ kind: "delete", key: key("a"), expect: second }]);
      assertConflict(again, new Map([[key("a"), null]]));
    },
  },
  {
    title: "a delete that expects absence goes through where there is nothing, and else conflicts",
    async check({ backend, key, settled }) {
      const result = await backend.commit([{ kind: "delete", key: key("a"), expect: null }]);
      assert.deepEqual(committedVersions(result), [null]);
      const version = await put(backend, key("a"), "one");
      const conflict = await backend.commit([{ kind: "delete", key: key("a"), expect: null }]);
      assertConflict(conflict, new Map([[key("a"), { version, value: bytes("one") }]]));
      await settled(key("a"), version);
    },
  },
  {
    title: "a check answers the version it expected and changes nothing",
    async check({ backend, other, key, settled }) {
      const version = await put(backend, key("a"), "one");
      const check = (backend: Backend, name: string, expect: Expectation) =>
        backend.commit([{ kind: "check", key: key(name), expect }]);
      assert.deepEqual(committedVersions(await check(other, "a", version)), [version]);
      assert.deepEqual(committedVersions(await check(other, "never", null)), [null]);
      const present = { version, value: bytes("one") };
      assertConflict(await check(other, "a", null), new Map([[key("a"), present]]));
      assertConflict(await check(other, "never", version), new Map([[key("never"), null]]));
      const next = await put(backend, key("a"), "two");
      const replaced = { version: next, value: bytes("two") };
      assertConflict(await check(other, "a", version), new Map([[key("a"), replaced]]));
      assert.deepEqual(committedVersions(await check(backend, "a", next)), [next]);
      assertSameBytes((await settled(key("a"), next)).value, bytes("two"));
    },
  },
  {
    title: "versions of a key never repeat, over many deletes and creations",
    async check({ backend, other, key }) {
      const seen = new Set<string>();
      for (let round = 0; round < 30; round += 1) {
        const client = round % 2 === 0 ? backend : other;
        const created = committedVersion(
          await client.commit([{ kind: "put", key: key("a"), value: bytes("same"), expect: null }]),
        );
        seen.add(created);
        const expect = round % 3 === 0 ? await put(client, key("a"), "same") : created;
        seen.add(expect);
        const deleted = await client.commit([{ kind: "delete", key: key("a"), expect }]);
        assert.equal(deleted.committed, true);
      }
      assert.equal(seen.size, 40, "30 creations and 10 updates have 40 versions");
    },
  },
  {
    title: "a version from before a delete does not fit the record that was created since",
    async check({ backend, other, key, settled }) {
      const before = await put(backend, key("a"), "same");
      await backend.commit([{ kind: "delete", key: key("a"), expect: before }]);
      const now = await put(backend, key("a"), "same");
      const late: Operation = { kind: "put", key: key("a"), value: bytes("late"), expect: before };
      const truth = new Map([[key("a"), { version: now, value: bytes("same") }]]);
      assertConflict(await other.commit([late]), truth);
      assertConflict(await other.commit([{ kind: "delete", key: key("a"), expect: before }]), truth);
      await settled(key("a"), now);
    },
  },
  {
    title: "a commit without operations and keys outside the alphabet are refused",
    async check({ backend, key }) {
      await assert.rejects(backend.commit([]));
      for (const illegal of [
        "",
        " ",
        "*",
        ">",
        "%",
        "/",
        "a b",
        "a/b",
        "a*",
        "é",
        "a\n",
        "a\0",
        "a:b",
        "a'b",
      ]) {
        const illegalKey = illegal === "" ? "" : `${key("a")}${illegal}`;
        const operation: Operation = { kind: "put", key: illegalKey, value: bytes("x") };
        await assert.rejects(backend.commit([operation]), `commit took ${JSON.stringify(illegal)}`);
        await assert.rejects(backend.get([illegalKey]), `get took ${JSON.stringify(illegal)}`);
      }
    },
  },
];
