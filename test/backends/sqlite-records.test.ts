// Goal: what the sqlite backend keeps in its file: versions, deleted and expired rows, and changes for watchers.
import { expect, test } from "vitest";
import type { ChangeHint } from "../../src/core/backend.ts";
import { type Runtime, systemRuntime } from "../../src/core/runtime.ts";
import { runCommand } from "../servers/run-command.ts";
import { newPath, open, openRaw, put } from "./sqlite-support.ts";

/** The system's runtime with a wall clock of the test's own. */
function ownWallClock(): { readonly runtime: Runtime; advance(ms: number): void } {
  let wallMs = Date.UTC(2026, 0, 1);
  return {
    runtime: { ...systemRuntime, wallMs: () => wallMs },
    advance(ms) {
      wallMs += ms;
    },
  };
}

const rowCount = (path: string): unknown =>
  openRaw(path).prepare("SELECT count(*) AS rows FROM leasehold_records").get()?.rows;

test("expired and deleted rows are removed by later writes, and records without a time to live stay", async () => {
  const path = await newPath();
  const { runtime, advance } = ownWallClock();
  const backend = open(path, { runtime });
  await backend.setup();
  for (let index = 0; index < 300; index += 1) await put(backend, `short.${index}`, "x", 1_000);
  for (let index = 0; index < 50; index += 1) await put(backend, `long.${index}`, "x", 600_000);
  for (let index = 0; index < 200; index += 1) {
    await put(backend, `gone.${index}`);
    await backend.commit([{ kind: "delete", key: `gone.${index}` }]);
  }
  await put(backend, "kept", "x", 1_000);
  await put(backend, "kept");
  advance(61_000);
  // 552 rows with the first one, 128 writes for a look at 256 rows, and one look that ends a round.
  for (let write = 0; write < 128 * 5; write += 1) await put(backend, "plain");
  const keys = (await backend.scan("", { limit: 1_000 })).records.map((record) => record.key);
  expect(keys.filter((key) => !key.startsWith("long."))).toEqual(["kept", "plain"]);
  expect(keys).toHaveLength(52);
  expect(rowCount(path)).toBe(53);
});

test("a version never returns, also when the record with the highest one expired and was collected", async () => {
  const path = await newPath();
  const { runtime, advance } = ownWallClock();
  const backend = open(path, { runtime });
  await backend.setup();
  const seen = new Set<string>();
  for (let round = 0; round < 20; round += 1) {
    for (let write = 0; write < 130; write += 1) seen.add(await put(backend, "a", "x", 0));
    advance(round % 2);
  }
  expect(seen.size).toBe(20 * 130);
  const ordered = [...seen].map(Number);
  expect(ordered.toSorted((a, b) => a - b)).toEqual(ordered);
});

test("versions follow the wall clock, so that a new file under the same path does not repeat those of the old", async () => {
  const { runtime, advance } = ownWallClock();
  const versions: number[] = [];
  for (let file = 0; file < 3; file += 1) {
    const backend = open(await newPath(), { runtime });
    await backend.setup();
    for (let write = 0; write < 10; write += 1) versions.push(Number(await put(backend, "a")));
    advance(1);
  }
  expect(new Set(versions).size).toBe(30);
  expect(versions.toSorted((a, b) => a - b)).toEqual(versions);
});

test("a wall clock that is wrong does no harm to versions", async () => {
  const path = await newPath();
  let wallMs = 0;
  const backend = open(path, { runtime: { ...systemRuntime, wallMs: () => wallMs } });
  await backend.setup();
  const versions: number[] = [];
  for (const wrong of [0, -1, Date.UTC(2026, 0, 1), Date.UTC(1990, 0, 1), 8.64e15, 5, Number.NaN]) {
    wallMs = wrong;
    versions.push(Number(await put(backend, "a")));
  }
  expect(versions.every(Number.isSafeInteger)).toBe(true);
  expect(new Set(versions.toSorted((a, b) => a - b))).toEqual(new Set(versions));
  expect(new Set(versions).size).toBe(versions.length);
});

test("expectations of versions that are none of ours conflict", async () => {
  const backend = open(await newPath());
  await backend.setup();
  const version = await put(backend, "a");
  for (const expect_ of [
    "",
    "0",
    "-1",
    "1e3",
    ` ${version}`,
    `0${version}`,
    `${version}.0`,
    "9".repeat(40),
    "x",
  ]) {
    for (const kind of ["put", "delete", "check"] as const) {
      const operation = { kind, key: "a", value: Buffer.from("y"), expect: expect_ } as const;
      expect(await backend.commit([operation])).toMatchObject({ committed: false });
      expect(await backend.commit([operation, { kind: "delete", key: "b" }])).toMatchObject({
        committed: false,
      });
    }
  }
  expect((await backend.get(["a"]))[0]?.version).toBe(version);
});

test("more changes than are read in one go all reach a watcher, and nobody is woken for other keys", async () => {
  const path = await newPath();
  const [backend, other] = [open(path), open(path)];
  await backend.setup();
  await put(backend, "before");
  const hints: ChangeHint[] = [];
  backend.watch("many.", (hint) => hints.push(hint));
  await backend.get(["before"]);
  const puts = Array.from({ length: 1_000 }, (_, index) => ({
    kind: "put" as const,
    key: `${index % 2 === 0 ? "many" : "other"}.${index}`,
    value: Buffer.from("x"),
  }));
  await other.commit(puts);
  await expect.poll(() => hints.length, { interval: 2, timeout: 10_000 }).toBe(500);
  await other.commit([{ kind: "delete", key: "many.0" }]);
  await expect
    .poll(() => hints.at(-1), { interval: 2, timeout: 10_000 })
    .toEqual({ key: "many.0", record: null });
  expect(hints).toHaveLength(501);
});

test("a watch from before the file exists begins with the first successful request", async () => {
  const backend = open(await newPath());
  const hints: ChangeHint[] = [];
  backend.watch("", (hint) => hints.push(hint));
  await expect(backend.get(["a"])).rejects.toMatchObject({ code: "STORE_MISSING" });
  await backend.setup();
  await put(backend, "a");
  await expect.poll(() => hints.map((hint) => hint.key), { interval: 2, timeout: 10_000 }).toEqual(["a"]);
});

test("importing the backend, and making one, loads no SQLite and prints nothing", async () => {
  const script =
    'const { sqliteBackend } = await import("./src/backends/sqlite/index.ts"); sqliteBackend({ path: "x.db" });' +
    "console.log(process.moduleLoadList.filter((name) => / sqlite$/.test(name)))";
  const run = await runCommand([process.execPath, "--input-type=module", "-e", script]);
  expect(run).toEqual({ stdout: "[]\n", stderr: "" });
});
