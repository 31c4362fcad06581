/** One process takes and returns one lock over a SQLite file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../src/index.ts";
import { type Figure, median, timeMs } from "./report.ts";

const rounds = 9;
const cyclesPerRound = 5_000;

export async function sqliteCycle(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-bench-"));
  try {
    await using coordinator = await connect(`sqlite:${join(folder, "bench.db")}`);
    const lock = coordinator.lock("bench");
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const elapsed = await timeMs(async () => {
        for (let cycle = 0; cycle < cyclesPerRound; cycle += 1) await (await lock.acquire()).release();
      });
      times.push(elapsed);
    }
    const rate = (1_000 * cyclesPerRound) / median(times);
    return [
      {
        benchmark: "sqlite-cycle",
        figure: "acquire + release a second",
        measured: String(Math.round(rate)),
        goal: "10000",
        met: rate >= 10_000,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}
