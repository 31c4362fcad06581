import assert from "node:assert/strict";
import type { Backend, StoredRecord } from "../../core/backend.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import {
  assertRejects,
  assertSameBytes,
  type BackendConformanceOptions,
  bytes,
  type CaseContext,
  type CaseDefinition,
  put,
} from "./support.ts";

const pagesMax = 1_000;
const putsAtOnce = 25;

/** Reads: by key, and a page at a time. */
export function readCases({ declared }: BackendConformanceOptions): readonly CaseDefinition[] {
  const skip = declared.orderedScan
    ? undefined
    : { capability: "orderedScan", reason: "this store scans in no order" };
  return [
    ...cases,
    {
      title: "a scan yields keys in order, over all its pages",
      skip,
      async check(context) {
        const { backend, key } = context;
        const names = ["b", "a", "a.b", "a=2Eb", "a-b", "a_b", "B", "a0", "10", "9", "ab", "a.a"];
        await putAll(backend, names.map(key));
        const expected = names.map(key).sort();
        await scanned(context, key(""), expected);
        const keys: string[] = [];
        for await (const page of pages(() => backend, key(""), 5))
          keys.push(...page.map((record) => record.key));
        assert.deepEqual(keys, expected);
      },
    },
  ];
}

const cases: readonly CaseDefinition[] = [
  {
    title: "get answers in the order of the keys, null where there is nothing, and twice what is asked twice",
    async check({ backend, key, settled }) {
      const a = await put(backend, key("a"), "A");
      const b = await put(backend, key("b"), "B");
      await settled(key("b"), b);
      const records = await backend.get([key("b"), key("never"), key("a"), key("b")]);
      assert.deepEqual(
        records.map((record) => record?.version ?? null),
        [b, null, a, b],
      );
      assert.deepEqual(
        records.map((record) => record?.key ?? null),
        [key("b"), null, key("a"), key("b")],
      );
      assert.deepEqual(await backend.get([]), []);
    },
  },
  {
    title: "get answers 500 keys at once, half of them absent",
    async check({ backend, key, until }) {
      const names = Array.from({ length: 250 }, (_, index) => key(`many.${index}`));
      await putAll(backend, names);
      const asked = names.flatMap((name) => [name, `${name}.absent`]);
      let records: readonly (StoredRecord | null)[] = [];
      await until("all 250 records are read", async () => {
        records = await backend.get(asked);
        return records.filter((record) => record !== null).length === names.length;
      });
      assert.equal(records.length, asked.length);
      for (const [index, record] of records.entries()) {
        assert.equal(record?.key, index % 2 === 0 ? asked[index] : undefined);
        if (record !== null) assertSameBytes(record.value, bytes(record.key));
      }
    },
  },
  {
    title: "every byte value, an empty value and a part of a larger buffer come back as they were",
    async check({ backend, key, settled }) {
      const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
      const values = [
        everyByte,
        everyByte.toReversed(),
        new Uint8Array(0),
        Buffer.from(everyByte).subarray(3, 17),
      ];
      for (const value of values) {
        const result = await backend.commit([{ kind: "put", key: key("a"), value }]);
        assert.ok(result.committed);
        assertSameBytes((await settled(key("a"), result.versions[0] as string)).value, value);
      }
      assert.ok((await backend.scan(key(""))).records.every((record) => record.value.length === 14));
    },
  },
  {
    title: "neither the bytes handed in nor those handed out are the record itself",
    async check({ backend, key, settled }) {
      const value = bytes("original");
      const result = await backend.commit([{ kind: "put", key: key("a"), value }]);
      assert.ok(result.committed);
      const version = result.versions[0] as string;
      value.fill(0);
      (await settled(key("a"), version)).value.fill(0);
      assertSameBytes((await settled(key("a"), version)).value, bytes("original"));
    },
  },
  {
    title: "a scan finds exactly the keys that begin with the prefix, every character of which means itself",
    async check(context) {
      const { backend, key } = context;
      const names = [
        "a",
        "a.b",
        "a.b.c",
        "a.bc",
        "a=2Eb",
        "a_b",
        "a-b",
        "aXb",
        "a..b",
        "A.b",
        "b.a.b",
        "a.c",
      ];
      await putAll(backend, names.map(key));
      for (const prefix of [
        "",
        "a",
        "a.",
        "a.b",
        "a.b.",
        "a_",
        "a_b",
        "a=",
        "a=2E",
        "a-",
        "A",
        "b",
        "aX",
        "c",
      ]) {
        const expected = names.filter((name) => name.startsWith(prefix)).map(key);
        const records = await scanned(context, key(prefix), expected);
        for (const record of records) assertSameBytes(record.value, bytes(record.key));
      }
    },
  },
  {
    title: "a scan in small pages finds every record once, each page over another client",
    async check(context) {
      const { backend, other, key } = context;
      const names = Array.from({ length: 25 }, (_, index) => key(`page.${index}`));
      await putAll(backend, names);
      await scanned(context, key(""), names);
      for (const limit of [1, 7, 25, 26]) {
        const keys: string[] = [];
        let turn = 0;
        const client = (): Backend => {
          turn += 1;
          return turn % 2 === 0 ? other : backend;
        };
        for await (const page of pages(client, key(""), limit)) {
          assert.ok(page.length <= limit, `a page of ${page.length} for a limit of ${limit}`);
          keys.push(...page.map((record) => record.key));
        }
        assert.deepEqual(keys.toSorted(), names.toSorted(), `limit ${limit}`);
      }
    },
  },
  {
    title: "a scan carries on when the record it stopped at is deleted, and misses none that stays",
    async check(context) {
      const { backend, key } = context;
      const names = Array.from({ length: 10 }, (_, index) => key(`page.${index}`));
      await putAll(backend, names);
      await scanned(context, key(""), names);
      const first = await backend.scan(key(""), { limit: 4 });
      for (const record of first.records) await backend.commit([{ kind: "delete", key: record.key }]);
      const rest: string[] = [];
      for await (const page of pages(() => backend, key(""), 4, first.cursor)) {
        rest.push(...page.map((record) => record.key));
      }
      const deleted = new Set(first.records.map((record) => record.key));
      const staying = names.filter((name) => !deleted.has(name));
      assert.deepEqual(rest.filter((name) => !deleted.has(name)).sort(), staying.sort());
    },
  },
  {
    title: "a scan does not find records that were deleted, and finds those created again",
    async check(context) {
      const { backend, key } = context;
      const names = ["a", "b", "c"].map(key);
      await putAll(backend, names);
      for (const name of names) await backend.commit([{ kind: "delete", key: name }]);
      await scanned(context, key(""), []);
      await put(backend, key("b"), key("b"));
      await scanned(context, key(""), [key("b")]);
    },
  },
  {
    title: "a cursor that this kind of backend did not make for this prefix is refused",
    async check({ backend, key }) {
      await putAll(
        backend,
        Array.from({ length: 5 }, (_, index) => key(`a.${index}`)),
      );
      for (const cursor of ["", "no cursor", "{}", "🙂", "W10="]) {
        await assertRejects(backend.scan(key("a."), { cursor }), InvalidArgumentError);
      }
      const { cursor } = await backend.scan(key("a."), { limit: 1 });
      assert.ok(cursor, "one page of five is not the last");
      await assertRejects(backend.scan(key("b."), { cursor }), InvalidArgumentError);
    },
  },
];

async function putAll(backend: Backend, keys: readonly string[]): Promise<void> {
  for (let start = 0; start < keys.length; start += putsAtOnce) {
    await Promise.all(keys.slice(start, start + putsAtOnce).map((key) => put(backend, key, key)));
  }
}

async function* pages(
  client: () => Backend,
  prefix: string,
  limit: number,
  cursor?: string,
): AsyncGenerator<readonly StoredRecord[]> {
  let next = cursor;
  for (let pageCount = 0; pageCount < pagesMax; pageCount += 1) {
    const page = await client().scan(prefix, next === undefined ? { limit } : { limit, cursor: next });
    yield page.records;
    if (page.cursor === undefined) return;
    next = page.cursor;
  }
  assert.fail(`a scan of ${prefix} did not end within ${pagesMax} pages`);
}

/** Scans until exactly these keys are found; reads may lag. */
async function scanned(
  { backend, until }: CaseContext,
  prefix: string,
  keys: readonly string[],
): Promise<readonly StoredRecord[]> {
  let found: StoredRecord[] = [];
  await until(`a scan of ${prefix} finds ${keys.length} keys`, async () => {
    found = [];
    for await (const page of pages(() => backend, prefix, 100)) found.push(...page);
    return found.length === keys.length;
  });
  assert.deepEqual(found.map((record) => record.key).sort(), keys.toSorted());
  return found;
}
