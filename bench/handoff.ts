/** Sixteen processes and one lock over NATS: how long nobody holds it, and who gets it how often. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect, headers } from "nats";
import { natsServer } from "../test/servers/index.ts";
import { type Figure, median, timeMs } from "./report.ts";

const processes = 16;
const durationMs = 6_000;

type Held = [fence: number, fromMs: number, toMs: number];

async function bareRoundTripMs(url: string, bucket: string): Promise<number> {
  const connection = await connect({ servers: url });
  const times: number[] = [];
  let sequence = 0;
  for (let write = 0; write < 200; write += 1) {
    const expected = headers();
    expected.set("Nats-Expected-Last-Subject-Sequence", String(sequence));
    const elapsed = await timeMs(async () => {
      const answer = await connection.request(`$KV.${bucket}.bare`, "0", {
        headers: expected,
        timeout: 5_000,
      });
      sequence = JSON.parse(answer.string()).seq;
    });
    times.push(elapsed);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await connection.close();
  return median(times);
}

export async function handoff(): Promise<readonly Figure[]> {
  await using server = await natsServer({ version: "2.15" });
  const url = `${server.url}/bench`;
  const worker = fileURLToPath(new URL("./handoff-worker.ts", import.meta.url));
  const workers: ChildProcess[] = [];
  for (let index = 0; index < processes; index += 1) {
    const child = fork(worker, [url, "handoff", String(durationMs)]);
    workers.push(child);
    await once(child, "message");
  }
  const results = workers.map(async (child) => (await once(child, "message"))[0] as Held[]);
  for (const child of workers) child.send("go");
  const roundTripMs = await bareRoundTripMs(server.url, "bench");
  const perProcess = await Promise.all(results);
  const held = perProcess.flat().sort((left, right) => left[0] - right[0]);
  const gaps = held.slice(1).map((next, index) => next[1] - (held[index]?.[2] ?? Number.NaN));
  const overlaps = gaps.filter((gap) => gap < 0).length;
  const counts = perProcess.map((list) => list.length);
  const spread = (Math.max(...counts) - Math.min(...counts)) / median(counts);
  const ratio = median(gaps) / roundTripMs;
  const benchmark = "handoff";
  return [
    { benchmark, figure: "grants", measured: String(held.length), goal: "", met: undefined },
    { benchmark, figure: "overlapping grants", measured: String(overlaps), goal: "0", met: overlaps === 0 },
    {
      benchmark,
      figure: "bare round trip under the same load, ms",
      measured: roundTripMs.toFixed(2),
      goal: "",
      met: undefined,
    },
    {
      benchmark,
      figure: "median gap in round trips",
      measured: ratio.toFixed(2),
      goal: "3.00",
      met: ratio <= 3,
    },
    {
      benchmark,
      figure: "spread of grants per process",
      measured: `${(100 * spread).toFixed(1)} %`,
      goal: "10 %",
      met: spread <= 0.1,
    },
  ];
}
