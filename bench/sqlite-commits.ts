/** One process commits one key at a time under a version, one after the other; by default, and durably. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteBackend } from "../src/backends/sqlite/index.ts";
import { type Figure, median, timeMs } from "./report.ts";

const rounds = 9;
const keys = 500;
const valueBytes = 300;

export async function sqliteCommits(): Promise<readonly Figure[]> {
  const fast = await commitsPerSecond(false, 10_000);
  const durable = await commitsPerSecond(true, 500);
  const figure = `conditional commits of ${valueBytes} bytes a second`;
  return [
    {
      benchmark: "sqlite-commits",
      figure,
      measured: String(Math.round(fast)),
      goal: "20000",
      met: fast >= 20_000,
    },
    {
      benchmark: "sqlite-commits",
      figure: `durable ${figure} (the disk's own speed)`,
      measured: String(Math.round(durable)),
      goal: "",
      met: undefined,
    },
  ];
}

async function commitsPerSecond(durable: boolean, commitsPerRound: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-bench-"));
  const backend = sqliteBackend({ path: join(folder, "bench.db"), durable });
  try {
    await backend.setup();
    const versions = new Map<string, string>();
    const value = new Uint8Array(valueBytes);
    const commit = async (key: string): Promise<void> => {
      const result = await backend.commit([{ kind: "put", key, value, expect: versions.get(key) ?? null }]);
      if (!result.committed) throw new Error(`a commit of ${key} met a conflict, and nobody else writes`);
      versions.set(key, result.versions[0] as string);
    };
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const elapsed = await timeMs(async () => {
        for (let count = 0; count < commitsPerRound; count += 1) await commit(`bench.lock.${count % keys}`);
      });
      times.push(elapsed);
    }
    return (1_000 * commitsPerRound) / median(times);
  } finally {
    await backend.close();
    await rm(folder, { recursive: true });
  }
}
