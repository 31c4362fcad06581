// Goal: whatever stands under the path, the sqlite backend says what is wrong with it and does no harm.
import { chmod, chown, mkdir, readFile, rename, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { networkFileSystem } from "../../src/backends/sqlite/network-file-systems.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { newFolder, newPath, nextAnswer, open, openRaw, put, startWorker } from "./sqlite-support.ts";

/** A closed store with some hundred records in it. */
async function filledStore(): Promise<string> {
  const path = await newPath();
  const backend = open(path);
  await backend.setup();
  for (let index = 0; index < 300; index += 1) await put(backend, `k.${index}`, "x".repeat(200));
  await backend.close();
  return path;
}

test("a path that names no file is refused before anything is opened", async () => {
  for (const path of ["", ":memory:", "~/store.db", "file:store.db", "store/", "a\0b", undefined as never]) {
    expect(() => open(path), path).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  expect(() => open(":memory:")).toThrow(/use memory:/);
  expect(() => open("store.db", { durabel: true } as never)).toThrow(/no option "durabel"/);
});

test("a folder, a path through a file, and a device are refused", async () => {
  const folder = await newFolder();
  await writeFile(join(folder, "file"), "");
  for (const path of [folder, join(folder, "file", "store.db"), "/dev/null"]) {
    await expect(open(path).setup(), path).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
});

test.skipIf(process.platform !== "linux")(
  "a folder that cannot be made is refused, and not tried for ever (Linux alone has /proc)",
  async () => {
    const refused = open("/proc/no-such-folder/store.db").setup();
    await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  },
);

test("a file of something else is called damaged or no database, and is not changed", async () => {
  const path = await newPath();
  const text = "this is a letter to my landlord\n".repeat(100);
  await writeFile(path, text);
  const backend = open(path);
  await expect(backend.setup()).rejects.toMatchObject({ code: "CORRUPT_STORE" });
  await expect(backend.get(["a"])).rejects.toThrow(/Nothing in it was overwritten/);
  expect(await readFile(path, "utf8")).toBe(text);
});

test("a SQLite database of another application is refused and not changed, marked or not", async () => {
  for (const mark of ["", "PRAGMA application_id = 7;", "PRAGMA user_version = 3;"]) {
    const path = await newPath();
    openRaw(path).exec(`${mark} CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)`);
    const before = await readFile(path);
    await expect(open(path).setup()).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
    await expect(open(path).setup({ create: false })).rejects.toThrow(/Give leasehold a file of its own/);
    expect(await readFile(path)).toEqual(before);
  }
});

test("a layout of a later version is refused", async () => {
  const path = await filledStore();
  openRaw(path).exec("PRAGMA user_version = 2");
  await expect(open(path).get(["k.1"])).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
  await expect(open(path).setup()).rejects.toThrow(/has the layout 2.*knows 1/);
});

test("a table that was dropped, or emptied by hand, is reported and not created again", async () => {
  const path = await filledStore();
  const backend = open(path);
  await backend.setup();
  openRaw(path).exec("DROP TABLE leasehold_records");
  await expect(put(backend, "a")).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
  await expect(open(path).setup()).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
  const emptied = await filledStore();
  openRaw(emptied).exec("DELETE FROM leasehold_records");
  await expect(open(emptied).setup()).rejects.toMatchObject({ code: "CORRUPT_STORE" });
});

test("a file that was cut off, or overwritten in the middle, is called damaged", async () => {
  const cut = await filledStore();
  await truncate(cut, 20_000);
  await expect(open(cut).setup()).rejects.toMatchObject({ code: "CORRUPT_STORE" });
  const overwritten = await filledStore();
  const bytes = await readFile(overwritten);
  await writeFile(overwritten, bytes.fill(0xff, 5_000, 30_000));
  await expect(open(overwritten).setup()).rejects.toMatchObject({ code: "CORRUPT_STORE" });
  expect(await readFile(overwritten)).toEqual(bytes);
});

test("an empty file counts as missing, and setup makes a store of it", async () => {
  const path = await newPath();
  await writeFile(path, "");
  const backend = open(path);
  await expect(backend.setup({ create: false })).rejects.toMatchObject({ code: "STORE_MISSING" });
  await expect(backend.get(["a"])).rejects.toMatchObject({ code: "STORE_MISSING" });
  await backend.setup();
  await put(backend, "a");
});

test("ten clients that set up one new file at once all succeed, and see one store", async () => {
  const path = await newPath();
  const clients = Array.from({ length: 10 }, () => open(path));
  await Promise.all(clients.map((client) => client.setup()));
  await Promise.all(clients.map((client, index) => put(client, `k.${index}`)));
  for (const client of clients) expect((await client.scan("k.")).records).toHaveLength(10);
});

test("a relative path stays the same file when the working directory changes", async () => {
  const folder = await newFolder();
  const before = process.cwd();
  try {
    process.chdir(folder);
    const backend = open("relative/store.db");
    process.chdir(before);
    await backend.setup();
    await put(backend, "a");
    expect((await readFile(join(folder, "relative", "store.db"))).length).toBeGreaterThan(0);
  } finally {
    process.chdir(before);
  }
});

const losses: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ["deleted", (path) => unlink(path)],
  ["deleted with its folder", (path) => rm(dirname(path), { recursive: true })],
  ["moved away", (path) => rename(path, `${path}.old`)],
  [
    "replaced by another store",
    async (path) => {
      await rename(path, `${path}.old`);
      const other = open(path);
      await other.setup();
      await other.close();
    },
  ],
];

for (const [what, lose] of losses) {
  test(`a file that is ${what} while it is open fails every request until setup is called`, async () => {
    const path = await newPath();
    const backend = open(path);
    await backend.setup();
    const version = await put(backend, "a");
    await lose(path);
    const update = { kind: "put", key: "a", value: Buffer.from("y"), expect: version } as const;
    for (let round = 0; round < 2; round += 1) {
      await expect(backend.commit([update])).rejects.toMatchObject({ code: "STORE_MISSING" });
      await expect(backend.get(["a"])).rejects.toThrow(/deleted or replaced/);
      await expect(backend.add("c", 1, { writer: "w", sequence: 1 })).rejects.toMatchObject({
        code: "STORE_MISSING",
      });
    }
    if (what === "deleted") {
      await expect(backend.setup({ create: false })).rejects.toMatchObject({ code: "STORE_MISSING" });
    }
    await backend.setup();
    expect(await backend.get(["a"])).toEqual([null]);
    const result = await backend.commit([update]);
    expect(result).toEqual({ committed: false, conflicts: [{ key: "a", current: null }] });
  });
}

test("a process whose file was moved away does no harm to the store that takes its place", async () => {
  const path = await newPath();
  const late = open(path);
  await late.setup();
  for (let index = 0; index < 50; index += 1) await put(late, `old.${index}`);
  await rename(path, `${path}.old`);
  const successor = open(path);
  await successor.setup();
  for (let index = 0; index < 50; index += 1) {
    await put(successor, `new.${index}`);
    await expect(put(late, `old.${index}`)).rejects.toMatchObject({ code: "STORE_MISSING" });
  }
  expect((await successor.scan("")).records).toHaveLength(50);
  expect(openRaw(path).prepare("PRAGMA integrity_check").get()?.integrity_check).toBe("ok");
});

test("reads notice within 100 ms that the file is gone", async () => {
  const path = await newPath();
  let nowMs = 0;
  const backend = open(path, { runtime: { ...systemRuntime, monotonicMs: () => nowMs } });
  await backend.setup();
  await unlink(path);
  nowMs += 100;
  await expect(backend.get(["a"])).rejects.toMatchObject({ code: "STORE_MISSING" });
});

const foreignUser = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

test.skipIf(process.platform === "win32")(
  "a file or folder that may not be written is answered with PermissionDeniedError",
  async () => {
    const attempt = (path: string): Promise<unknown> =>
      nextAnswer(startWorker(["attempt", path], foreignUser));
    const folder = await newFolder();
    const open = join(folder, "open");
    await mkdir(open);
    await chmod(folder, 0o755);
    await chmod(open, 0o777);
    expect(await attempt(join(open, "store.db"))).toBe("COMMITTED");
    await chmod(open, 0o555);
    expect(await attempt(join(open, "store.db"))).toBe("PERMISSION_DENIED");
    expect(await attempt(join(open, "new.db"))).toBe("PERMISSION_DENIED");
    expect(await attempt(join(open, "new", "new.db"))).toBe("PERMISSION_DENIED");
    await chmod(open, 0o777);
    await chmod(join(open, "store.db"), 0o444);
    if (process.getuid?.() === 0) await chown(join(open, "store.db"), 0, 0);
    expect(await attempt(join(open, "store.db"))).toBe("PERMISSION_DENIED");
    await chmod(open, 0o000);
    expect(await attempt(join(open, "store.db"))).toBe("PERMISSION_DENIED");
    await chmod(open, 0o777);
  },
);

test("network file systems are known by their type, whatever its sign, and local ones are not", () => {
  expect(networkFileSystem(0x6969)).toBe("NFS");
  expect(networkFileSystem(0xfe534d42 | 0)).toBe("SMB2");
  expect(networkFileSystem(0xff534d42)).toBe("CIFS");
  for (const local of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) {
    expect(networkFileSystem(local)).toBeUndefined();
  }
});
