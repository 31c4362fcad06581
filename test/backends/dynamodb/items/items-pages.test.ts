// Goal: queries and scans give every item once, in order where there is one, and carry on where a cursor says, also in
// another process; a cursor of something else is refused.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  and,
  atLeast,
  between,
  contains,
  dynamodbItems,
  equals,
  greaterThan,
  type ItemPage,
  type ItemQueryOptions,
  type ItemScanOptions,
  lessThan,
} from "../../../../src/backends/dynamodb/index.ts";
import { userClient } from "../../dynamodb-support.ts";
import { faultyTable, type TestTable, testTable } from "./items-support.ts";

interface Visit {
  readonly page: string;
  readonly at: number;
  readonly team: string;
  readonly score: number;
  readonly tags: ReadonlySet<string>;
}

const visits: readonly Visit[] = Array.from({ length: 120 }, (_, index) => ({
  page: index % 3 === 0 ? "home" : "shop",
  at: index,
  team: `team-${index % 4}`,
  score: index % 10,
  tags: new Set([index % 2 === 0 ? "even" : "odd"]),
}));
const home = visits.filter(({ page }) => page === "home");
let table: TestTable<Visit>;

beforeAll(async () => {
  table = await testTable<Visit>({ partition: "page", sort: "at" });
  await table.items.putMany(visits);
});
afterAll(() => table[Symbol.asyncDispose]());

async function collect<T>(pages: AsyncIterable<ItemPage<T>>): Promise<ItemPage<T>[]> {
  const all: ItemPage<T>[] = [];
  for await (const page of pages) all.push(page);
  return all;
}
const times = (items: readonly Partial<Visit>[]) => items.map(({ at }) => at);
const sorted = (items: readonly Partial<Visit>[]) => times(items).sort((a, b) => Number(a) - Number(b));

describe("a query", () => {
  test("gives the items of a partition in the order of the sort key, either way", async () => {
    const { items } = table;
    const key = equals("page", "home");
    expect(await items.query({ key }).all()).toEqual(home);
    expect(await items.query({ key, order: "descending", pageSize: 7 }).all()).toEqual([...home].reverse());
    const some = items.query({ key: and(key, between("at", 10, 40)), project: ["at"], consistent: false });
    expect(await some.all()).toEqual(home.filter(({ at }) => at >= 10 && at <= 40).map(({ at }) => ({ at })));
  });

  test("filters, limits and counts", async () => {
    const { items } = table;
    const options = {
      key: equals("page", "shop"),
      filter: contains("tags", "odd"),
      project: ["at"],
    } as const;
    const wanted = visits.filter(({ page, at }) => page === "shop" && at % 2 === 1);
    expect(times(await items.query({ ...options, limit: 5 }).all())).toEqual(times(wanted.slice(0, 5)));
    expect(await items.query(options).count()).toBe(wanted.length);
    expect(await items.query({ ...options, limit: 3 }).count()).toBe(3);
    const pages = await collect(items.query({ ...options, limit: 5, pageSize: 2 }).pages());
    expect(pages.flatMap((page) => times(page.items))).toEqual(times(wanted.slice(0, 5)));
  });

  test("goes over an index, whose key is in the condition", async () => {
    const key = and(equals("team", "team-2"), greaterThan("score", 4));
    const found = await table.items.query({ index: "by-team", key, pageSize: 3 }).all();
    const wanted = visits.filter(({ team, score }) => team === "team-2" && score > 4);
    expect(sorted(found)).toEqual(times(wanted));
    expect(found.map(({ score }) => score)).toEqual(wanted.map(({ score }) => score).sort());
    const consistent = table.items.query({ index: "by-team", key, consistent: true }).all();
    await expect(consistent).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("reads no page that nobody asks for, and each loop reads anew", async () => {
    await using faulty = await faultyTable();
    await faulty.items.putMany(["a", "b", "c"].map((id) => ({ id })));
    const pages = faulty.spoilt.scan({ pageSize: 1 });
    expect(faulty.proxy.seen).toEqual([]);
    for await (const { id } of pages) {
      expect(id).toBeDefined();
      break;
    }
    expect(faulty.proxy.seen).toEqual(["Scan"]);
    expect((await pages.all()).length).toBe(3);
    expect(faulty.proxy.seen.length).toBe(5);
  });
});

describe("a scan", () => {
  test("gives every item once, in one segment or in many", async () => {
    for (const segments of [1, 4, 33]) {
      const found = await table.items.scan({ segments, pageSize: 9, project: ["at"] }).all();
      expect(sorted(found)).toEqual(times(visits));
    }
    const filter = and(atLeast("score", 3), lessThan("at", 60));
    const wanted = visits.filter(({ score, at }) => score >= 3 && at < 60);
    expect(sorted(await table.items.scan({ filter, segments: 3 }).all())).toEqual(times(wanted));
    expect(await table.items.scan({ segments: 3 }).count()).toBe(120);
    expect((await table.items.scan({ index: "by-team", limit: 11 }).all()).length).toBe(11);
  });
});

describe("a cursor", () => {
  const queries: readonly ItemQueryOptions[] = [
    { key: equals("page", "home"), pageSize: 6 },
    { key: equals("page", "home"), pageSize: 6, order: "descending" },
    { key: equals("page", "shop"), pageSize: 6, filter: contains("tags", "odd") },
    { key: equals("page", "shop"), pageSize: 6, filter: contains("tags", "even") },
    { key: equals("team", "team-1"), pageSize: 6, index: "by-team" },
  ];
  const scans: readonly ItemScanOptions[] = [
    { pageSize: 9 },
    { pageSize: 9, segments: 3 },
    { pageSize: 9, index: "by-team" },
  ];

  test("carries on behind its page, in another process as well", async () => {
    const items = dynamodbItems<Visit>({
      client: userClient(),
      table: table.name,
      key: { partition: "page", sort: "at" },
    });
    for (const options of queries) {
      const pages = await collect(table.items.query(options).pages());
      expect(pages.length).toBeGreaterThan(3);
      const rest = pages.slice(2).flatMap((page) => times(page.items));
      const cursor = pages[1]?.cursor ?? "";
      expect(times(await items.query({ ...options, cursor, pageSize: 4, project: ["at"] }).all())).toEqual(
        rest,
      );
      expect(pages.at(-1)?.cursor).toBeUndefined();
    }
    for (const options of scans) {
      const seen: Partial<Visit>[] = [];
      let cursor: string | undefined;
      // One page by each reader, as behind a web service.
      do {
        const options2 = cursor === undefined ? options : { ...options, cursor };
        for await (const page of items.scan(options2).pages()) {
          seen.push(...page.items);
          cursor = page.cursor;
          break;
        }
      } while (cursor !== undefined);
      expect(sorted(seen)).toEqual(times(visits));
    }
    (items.client as unknown as { destroy(): void }).destroy();
  });

  test("of a limit carries on behind the last item that came out", async () => {
    const options = { key: equals("page", "shop"), filter: contains("tags", "odd") };
    const [all, first] = [
      await table.items.query(options).all(),
      table.items.query({ ...options, limit: 7 }),
    ];
    const pages = await collect(first.pages());
    const cursor = pages.at(-1)?.cursor ?? "";
    const rest = await table.items.query({ ...options, cursor }).all();
    expect([...pages.flatMap((page) => page.items), ...rest]).toEqual(all);
  });

  test("of another query, scan, table or text is refused", async () => {
    const cursors: string[] = [];
    for (const options of queries)
      cursors.push((await collect(table.items.query(options).pages()))[0]?.cursor ?? "");
    for (const options of scans)
      cursors.push((await collect(table.items.scan(options).pages()))[0]?.cursor ?? "");
    expect(new Set(cursors).size).toBe(8);
    const all = [...queries, ...scans];
    for (const [index, options] of all.entries()) {
      for (const [other, cursor] of cursors.entries()) {
        const open = () =>
          index < queries.length
            ? table.items.query({ ...(options as ItemQueryOptions), cursor })
            : table.items.scan({ ...options, cursor });
        if (index === other) expect(open()).toBeDefined();
        else expect(open).toThrow(/cursor .* does not belong to this query or scan/);
      }
    }
    for (const cursor of ["", "x", "bm90anNvbg", Buffer.from("[1,2]").toString("base64url"), 7 as never]) {
      expect(() => table.items.scan({ cursor })).toThrow(/does not belong/);
    }
    const items = dynamodbItems<Visit>({
      client: table.client,
      table: "another",
      key: { partition: "page", sort: "at" },
    });
    expect(() => items.scan({ cursor: cursors.at(-3) ?? "" })).toThrow(/does not belong/);
  });
});

test("a cursor behind a key of bytes survives as text", async () => {
  await using binary = await testTable({ partition: "id" }, "B");
  const ids = Array.from({ length: 5 }, (_, index) => new Uint8Array([index, 255]));
  await binary.items.putMany(ids.map((id) => ({ id })));
  const seen: unknown[] = [];
  let cursor: string | undefined;
  do {
    const [page] = await collect(
      binary.items.scan({ limit: 2, ...(cursor !== undefined && { cursor }) }).pages(),
    );
    seen.push(...(page?.items ?? []).map(({ id }) => id));
    cursor = page?.cursor;
  } while (cursor !== undefined);
  expect(seen.length).toBe(5);
  expect(new Set(seen.map(String))).toEqual(new Set(ids.map(String)));
  expect(await binary.items.getMany(ids)).toEqual(ids.map((id) => ({ id })));
});

describe("options that cannot work are refused before anything is sent:", () => {
  const scan = (options: object) => () => table.items.scan(options as ItemScanOptions);
  const query = (options: object) => () => table.items.query(options as ItemQueryOptions);
  test.each<[string, () => unknown, RegExp]>([
    ["limit 0", scan({ limit: 0 }), /^limit must be a whole number from 1; got 0$/],
    ["pageSize 1.5", scan({ pageSize: 1.5 }), /^pageSize must be/],
    ["segments NaN", scan({ segments: Number.NaN }), /^segments must be/],
    ["too many segments", scan({ segments: 1_001 }), /^segments must be/],
    [
      "segments and a limit",
      scan({ segments: 2, limit: 5 }),
      /segments must be .* 1 for a scan with a limit/,
    ],
    ["an order for a scan", scan({ order: "descending" }), /scan has no option "order"/],
    ["a key for a scan", scan({ key: equals("a", 1) }), /scan has no option "key"/],
    [
      "segments for a query",
      query({ key: equals("page", "x"), segments: 2 }),
      /query has no option "segments"/,
    ],
    ["a query without a key", query({}), /a condition must be made by/],
    ["another order", query({ key: equals("page", "x"), order: "up" }), /^order must be/],
    ["an empty projection", scan({ project: [] }), /^project must be/],
    ["a projection of no path", scan({ project: [7] }), /^a path must be/],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });
});
