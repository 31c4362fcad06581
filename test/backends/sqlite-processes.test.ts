// Goal: several processes use one SQLite file, die in the middle of a write, hold its lock, or fill its disk.
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ChangeHint } from "../../src/core/backend.ts";
import { sleep, systemRuntime } from "../../src/core/runtime.ts";
import { runCommand } from "../servers/run-command.ts";
import {
  newFolder,
  newPath,
  nextAnswer,
  open,
  openRaw,
  put,
  startWorker,
  workerFile,
  workerFlags,
} from "./sqlite-support.ts";

test("three processes lose no increment of one record, and a fourth hears of the changes", async () => {
  const path = await newPath();
  const backend = open(path);
  await backend.setup();
  const hints: ChangeHint[] = [];
  backend.watch("count", (hint) => hints.push(hint));
  const times = 400;
  const workers = Array.from({ length: 3 }, () => startWorker(["increment", path, "count", String(times)]));
  await Promise.all(workers.map(nextAnswer));
  for (const worker of workers) worker.send("go");
  const answers = (await Promise.all(workers.map(nextAnswer))) as readonly { readonly conflicts: number }[];
  const [record] = await backend.get(["count"]);
  expect(Buffer.from(record?.value ?? []).toString()).toBe(String(3 * times));
  // Without a conflict nothing was shown.
  expect(answers.reduce((sum, { conflicts }) => sum + conflicts, 0)).toBeGreaterThan(0);
  while (hints.at(-1)?.record?.version !== record?.version)
    await sleep(systemRuntime, 1, { holdsProcessOpen: true });
  expect(hints.length).toBeGreaterThan(2);
});

test("a process that is killed in the middle of its writes leaves an intact file with all it was told", async () => {
  const path = await newPath();
  for (let round = 0; round < 5; round += 1) {
    const worker = startWorker(["write", path]);
    let acknowledged = 0;
    worker.on("message", (message) => {
      acknowledged = (message as { readonly count: number }).count;
    });
    for (let answers = 0; answers < 5 + round * 7; answers += 1) await once(worker, "message");
    worker.kill("SIGKILL");
    await once(worker, "exit");
    const backend = open(path);
    const records = (await backend.scan("", { limit: 1_000 })).records;
    const values = new Map(records.map(({ key, value }) => [key, Buffer.from(value).toString()]));
    expect(Number(values.get("last"))).toBeGreaterThanOrEqual(acknowledged);
    for (let pair = 0; pair < 50; pair += 1) expect(values.get(`a.${pair}`)).toBe(values.get(`b.${pair}`));
    await backend.close();
    const [verdict] = openRaw(path).prepare("PRAGMA integrity_check").all();
    expect(verdict?.integrity_check).toBe("ok");
  }
});

test("a writer that another process keeps waiting does not block the event loop, and goes on afterwards", async () => {
  const path = await newPath();
  const backend = open(path);
  await backend.setup();
  const other = openRaw(path);
  other.exec("BEGIN IMMEDIATE");
  let answered = false;
  const writing = put(backend, "a").then(() => {
    answered = true;
  });
  let longestTurnMs = 0;
  for (let turn = 0; turn < 50; turn += 1) {
    const startedMs = systemRuntime.monotonicMs();
    await sleep(systemRuntime, 0, { holdsProcessOpen: true });
    longestTurnMs = Math.max(longestTurnMs, systemRuntime.monotonicMs() - startedMs);
    expect(await backend.get(["a"]), "reads go through meanwhile").toEqual([null]);
  }
  expect(answered).toBe(false);
  // A wait inside SQLite would have been 5 seconds.
  expect(longestTurnMs).toBeLessThan(2_000);
  other.exec("COMMIT");
  await writing;
});

test("a writer that waits for another process too long gets UnavailableError, and nothing was applied", async () => {
  const path = await newPath();
  let nowMs = 0;
  const monotonicMs = (): number => {
    nowMs += 100;
    return nowMs;
  };
  const backend = open(path, { runtime: { ...systemRuntime, monotonicMs } });
  await backend.setup();
  const other = openRaw(path);
  other.exec("BEGIN IMMEDIATE");
  await expect(put(backend, "a")).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
  const several = ["a", "b"].map((key) => ({ kind: "put", key, value: Buffer.from("x") }) as const);
  await expect(backend.commit(several)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(backend.add("c", 1, { writer: "w", sequence: 1 })).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
  other.exec("ROLLBACK");
  expect(await backend.get(["a", "b", "c"])).toEqual([null, null, null]);
  await put(backend, "a");
});

test("a request that waits for another process is answered with ClosedError when the backend is closed", async () => {
  const path = await newPath();
  const backend = open(path);
  await backend.setup();
  const other = openRaw(path);
  other.exec("BEGIN IMMEDIATE");
  const writing = put(backend, "a");
  const refused = expect(writing).rejects.toMatchObject({ code: "CLOSED" });
  await backend.close();
  await refused;
  other.exec("COMMIT");
});

const limitedDisk = process.platform === "linux" && (await canLimitDisk());

/** Whether this user may mount a small disk in a namespace of its own; containers often forbid it. */
async function canLimitDisk(): Promise<boolean> {
  return runCommand(["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]).then(
    () => true,
    () => false,
  );
}

test.skipIf(!limitedDisk)(
  "with a full disk nothing is acknowledged that is not stored, and writing goes on when there is room (needs unshare)",
  async () => {
    const folder = join(await newFolder(), "disk");
    await mkdir(folder);
    const node = [process.execPath, ...workerFlags, workerFile, "fill", join(folder, "store.db")];
    const script = 'folder="$1"; shift; mount -t tmpfs -o size=400k none "$folder" && exec "$@"';
    const { stdout } = await runCommand(["unshare", "-rm", "sh", "-c", script, "sh", folder, ...node]);
    const { code, whenFull, afterwards } = JSON.parse(stdout);
    expect(code).toBe("UNAVAILABLE");
    expect(whenFull.acknowledged).toBeGreaterThan(20);
    expect(whenFull.found).toBe(whenFull.acknowledged);
    expect(afterwards.found).toBe(whenFull.acknowledged + 1);
  },
);
