/**
 * 1, 4 and 16 processes take from one bucket over NATS as fast as they can; the clock of one is 30 s ahead, and one is
 * killed on the way. What they were allowed is compared with what the bucket may give in the time that passed.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { natsServer } from "../test/servers/index.ts";
import { limit, windowMs } from "./over-limit-policy.ts";
import type { Figure } from "./report.ts";

const durationMs = 4_000;
const aheadMs = 30_000;

export async function overLimit(): Promise<readonly Figure[]> {
  await using server = await natsServer({ version: "2.15" });
  const figures: Figure[] = [];
  for (const mode of ["exact", "leased"]) {
    for (const processes of [1, 4, 16]) {
      const { allowed, elapsedMs } = await run(`${server.url}/bench`, mode, processes);
      const most = limit + (elapsedMs * limit) / windowMs;
      figures.push({
        benchmark: "over-limit",
        figure: `${mode}, ${processes} processes: allowed of the ${Math.floor(most)} there were, and over`,
        measured: `${((100 * allowed) / most).toFixed(1)} %, ${Math.max(0, allowed - Math.floor(most))}`,
        goal: "0",
        met: allowed <= most,
      });
    }
  }
  return figures;
}

async function run(
  url: string,
  mode: string,
  processes: number,
): Promise<{ readonly allowed: number; readonly elapsedMs: number }> {
  const workers: ChildProcess[] = [];
  const program = fileURLToPath(new URL("./over-limit-worker.ts", import.meta.url));
  let allowed = 0;
  for (let index = 0; index < processes; index += 1) {
    const ahead = index === 1 ? aheadMs : 0;
    const settings = [url, `${mode}-${processes}`, mode, ahead, durationMs].map(String);
    const worker = fork(program, settings, { execArgv: ["--disable-warning=ExperimentalWarning"] });
    workers.push(worker);
    await once(worker, "message");
  }
  const startedAt = performance.now();
  for (const worker of workers) {
    worker.on("message", (parcel) => {
      allowed += Number(parcel);
    });
    worker.send("go");
  }
  const exits = workers.map((worker) => once(worker, "exit"));
  const killing = setTimeout(() => workers.at(-1)?.kill("SIGKILL"), durationMs / 2);
  if (processes === 1) clearTimeout(killing);
  await Promise.all(exits);
  return { allowed, elapsedMs: performance.now() - startedAt };
}
