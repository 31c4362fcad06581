// Goal: every form of a sqlite URL means what it says, or is refused.
import { expect, test } from "vitest";
import { parseSqliteUrl, sqliteBackendFromUrl } from "../../src/backends/sqlite/sqlite-url.ts";

test("a URL gives the path and whether commits are durable", () => {
  const forms: readonly (readonly [string, object])[] = [
    ["sqlite:store.db", { path: "store.db" }],
    ["sqlite:./store.db", { path: "./store.db" }],
    ["sqlite:../a/store.db", { path: "../a/store.db" }],
    ["sqlite:/var/lib/store.db", { path: "/var/lib/store.db" }],
    ["sqlite:///var/lib/store.db", { path: "/var/lib/store.db" }],
    ["sqlite:/var/lib/store.db?durable=true", { path: "/var/lib/store.db", durable: true }],
    ["sqlite:store.db?durable=false", { path: "store.db", durable: false }],
    ["sqlite:store.db?", { path: "store.db" }],
    ["sqlite:C:\\data\\store.db", { path: "C:\\data\\store.db" }],
    ["sqlite:a%20b%3Fc%23d%25.db", { path: "a b?c#d%.db" }],
    ["sqlite:with space+plus é.db", { path: "with space+plus é.db" }],
  ];
  for (const [url, options] of forms) expect(parseSqliteUrl(url), url).toEqual(options);
});

test("a URL of another form, or with an unknown parameter, is refused", async () => {
  const refused = [
    "sqlite:",
    "sqlite::memory:",
    "sqlite://host/store.db",
    "sqlite:////host/store.db",
    "sqlite:store.db#part",
    "sqlite:100%.db",
    "sqlite:~/store.db",
    "sqlite:folder/",
    "sqlite:store.db?durable",
    "sqlite:store.db?durable=yes",
    "sqlite:store.db?durable=true&durable=false",
    "sqlite:store.db?mode=memory",
    "memory:",
    "SQLITE:store.db",
  ];
  for (const url of refused) {
    await expect(sqliteBackendFromUrl(url), url).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  await expect(sqliteBackendFromUrl("sqlite::memory:")).rejects.toThrow(/memory:/);
});
