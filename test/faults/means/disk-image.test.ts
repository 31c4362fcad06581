// Goal: a power loss takes what was not synced and nothing else, for files and for a database, and the disk is the
// same folder as before.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { open, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { connect, errors } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { natsCluster } from "../../servers/nats-cluster.ts";
import { type DiskImage, diskImage, missing } from "./disk-image.ts";
import { titled } from "./not-run.ts";
import { crash } from "./processes.ts";

const reason = await missing();

async function ownDisk(): Promise<DiskImage> {
  const disk = await diskImage({ megabytes: 32 });
  onTestFinished(() => disk.close());
  return disk;
}

async function sync(path: string): Promise<void> {
  const file = await open(path);
  await file.sync().finally(() => file.close());
}

describe.skipIf(reason !== undefined)(titled("a power loss", reason), () => {
  test("takes files and tails that were not synced, and keeps what was", async () => {
    const { folder, powerLoss } = await ownDisk();
    const [kept, grown, lost] = ["kept", "grown", "lost"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [kept, grown]) await writeFile(path, "x".repeat(600));
    for (const path of [kept, grown, folder]) await sync(path);
    await writeFile(grown, "and fifteen more", { flag: "a" });
    await writeFile(kept, "y".repeat(600), { flag: "r+" });
    await writeFile(lost, "never written out");
    expect((await stat(grown)).size).toBe(616);
    await powerLoss();
    expect(existsSync(lost)).toBe(false);
    for (const path of [kept, grown]) expect(await readFile(path, "utf8")).toBe("x".repeat(600));

    // It is an ordinary disk again, which can lose power again.
    await writeFile(lost, "synced now");
    for (const path of [lost, folder]) await sync(path);
    await powerLoss();
    expect(await readFile(lost, "utf8")).toBe("synced now");
  });

  test("of a killed SQLite writer leaves commits that were synced, and takes those that were not", async () => {
    const { folder, powerLoss } = await ownDisk();
    const path = join(folder, "database");
    const program = `
      const { DatabaseSync } = require("node:sqlite");
      const database = new DatabaseSync(process.argv[1]);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE kept (value INTEGER)");
      database.exec("INSERT INTO kept VALUES (1)");
      database.exec("PRAGMA synchronous = OFF; INSERT INTO kept VALUES (2)");
      console.log(database.prepare("SELECT count(*) AS rows FROM kept").get().rows);
      process.stdin.resume();
    `;
    const options = ["--disable-warning=ExperimentalWarning", "-e", program, path];
    const writer = spawn(process.execPath, options, { stdio: ["pipe", "pipe", "inherit"] });
    const rows = (await createInterface(writer.stdout)[Symbol.asyncIterator]().next()).value;
    expect(rows).toBe("2");
    await sync(folder);
    await expect(powerLoss()).rejects.toThrow(`kill the processes that use ${folder}`);
    await crash(writer.pid as number);
    await powerLoss();
    const database = new DatabaseSync(path);
    onTestFinished(() => database.close());
    expect(database.prepare("SELECT value FROM kept").all()).toEqual([{ value: 1 }]);
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  });

  test.for([true, false])(
    "takes acknowledged writes of a NATS cluster, unless it syncs always: %s",
    { timeout: 120_000 },
    async (syncAlways) => {
      const disks = await Promise.all([ownDisk(), ownDisk(), ownDisk()]);
      const storeFolders = disks.map(({ folder }) => folder);
      const cluster = await natsCluster({ storeFolders, syncAlways });
      onTestFinished(() => cluster.close());
      const ask = async (subject: string, body: string) => {
        const connection = await connect({ servers: [...cluster.urls] });
        try {
          return (await connection.request(subject, body, { timeout: 10_000 })).json<{
            readonly seq?: number;
            readonly state?: { readonly messages: number };
          }>();
        } finally {
          await connection.close();
        }
      };
      const stream = { name: "kept", subjects: ["kept"], num_replicas: 3, storage: "file" };
      await ask("$JS.API.STREAM.CREATE.kept", JSON.stringify(stream));
      for (const body of ["one", "two", "three"]) await ask("kept", body);
      expect((await ask("kept", "four")).seq).toBe(4);
      await Promise.all(cluster.servers.map((server) => server.kill()));
      for (const disk of disks) await disk.powerLoss();
      await Promise.all(cluster.servers.map((server) => server.restart()));
      await cluster.metaLeader();
      if (syncAlways) await cluster.streamLeader("kept");
      await cluster.untilHealthy();
      const info = ask("$JS.API.STREAM.INFO.kept", "");
      if (syncAlways) {
        expect((await info).state?.messages).toBe(4);
        return;
      }
      // By default NATS acknowledges what it syncs within two minutes: even the stream may be gone, or its group, and then
      // nobody leads who could answer.
      const { state } = await info.catch((error: Error) => {
        if (error instanceof errors.TimeoutError) return {} as Awaited<typeof info>;
        throw error;
      });
      expect(state?.messages ?? 0).toBeLessThan(4);
    },
  );

  test("close leaves nothing behind", async () => {
    const disk = await diskImage({ megabytes: 32 });
    await disk.powerLoss();
    await disk.close();
    expect(await readFile("/proc/self/mounts", "utf8")).not.toContain(disk.folder);
    expect(existsSync(dirname(disk.folder))).toBe(false);
  });
});
