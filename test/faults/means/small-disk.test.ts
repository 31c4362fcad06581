// Goal: a small disk is really full, for Node and for SQLite, has room again when it is freed, and leaves nothing
// behind, not even when its process is killed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { waitUntil } from "../../servers/index.ts";
import { titled } from "./not-run.ts";
import { crash } from "./processes.ts";
import { missing, type SmallDisk, smallDisk } from "./small-disk.ts";

const reason = await missing();

async function ownDisk(): Promise<SmallDisk> {
  const disk = await smallDisk({ megabytes: 8 });
  onTestFinished(() => disk.close());
  return disk;
}

const mounts = () => readFile("/proc/self/mounts", "utf8");

test("a disk that is too small for a file system is refused", async () => {
  await expect(smallDisk({ megabytes: 1 })).rejects.toThrow("8 MB or more");
});

describe.skipIf(reason !== undefined)(titled("a small disk", reason), () => {
  test("gives ENOSPC to Node when it is full, and room when it is freed", async () => {
    const { folder, fill, free } = await ownDisk();
    const file = join(folder, "file");
    await writeFile(file, "first");
    await fill();
    await expect(writeFile(`${file}-2`, Buffer.alloc(8_192))).rejects.toThrow("ENOSPC");
    expect(await readFile(file, "utf8")).toBe("first");
    await free();
    await writeFile(`${file}-2`, Buffer.alloc(1_000_000));
    await fill();
    await expect(writeFile(`${file}-3`, Buffer.alloc(8_192))).rejects.toThrow("ENOSPC");
  });

  test("gives SQLITE_FULL to SQLite, which keeps what it had and goes on when there is room", async () => {
    const { folder, fill, free } = await ownDisk();
    const database = new DatabaseSync(join(folder, "database"));
    onTestFinished(() => database.close());
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE kept (value BLOB)");
    const insert = database.prepare("INSERT INTO kept VALUES (zeroblob(100000))");
    insert.run();
    await fill();
    expect(() => insert.run()).toThrow("full");
    expect(database.prepare("SELECT count(*) AS rows FROM kept").get()).toEqual({ rows: 1 });
    await free();
    insert.run();
    expect(database.prepare("SELECT count(*) AS rows FROM kept").get()).toEqual({ rows: 2 });
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  });

  test("close leaves nothing behind, also when somebody still uses the disk, which it says", async () => {
    const idle = await smallDisk({ megabytes: 8 });
    await idle.close();
    const used = await smallDisk({ megabytes: 8 });
    const user = spawn("sleep", ["1000"], { cwd: used.folder });
    onTestFinished(() => crash(user.pid as number));
    await expect(used.close()).rejects.toThrow(`still used by processes: ${user.pid}`);
    for (const { folder } of [idle, used]) {
      expect(await mounts()).not.toContain(folder);
      expect(existsSync(dirname(folder))).toBe(false);
    }
  });

  test("a killed test's disk goes with it", async () => {
    const program = `
      import { smallDisk } from ${JSON.stringify(new URL("small-disk.ts", import.meta.url).href)};
      console.log((await smallDisk({ megabytes: 8 })).folder);
      process.stdin.resume();
    `;
    const options = [
      "--disable-warning=ExperimentalWarning",
      "--input-type=module-typescript",
      "-e",
      program,
    ];
    const child = spawn(process.execPath, options, { stdio: ["pipe", "pipe", "inherit"] });
    const folder = (await createInterface(child.stdout)[Symbol.asyncIterator]().next()).value as string;
    expect(await mounts()).toContain(folder);
    await crash(child.pid as number);
    await waitUntil(
      async () => ((await mounts()).includes(folder) || existsSync(dirname(folder)) ? null : true),
      { timeoutMs: 15_000, intervalMs: 50, what: "the disk of the killed process to be removed" },
    );
  });

  test("what even the guards could not remove is removed at the next start", async () => {
    const gone = spawn("true");
    await new Promise((resolve) => gone.once("exit", resolve));
    const leftover = join(tmpdir(), `leasehold-disk-${gone.pid}-test`);
    await mkdir(join(leftover, "mounted"), { recursive: true });
    await ownDisk();
    expect(existsSync(leftover)).toBe(false);
  });
});
