// Goal: the wall clock of a child process jumps and drifts as it is told, while its monotonic clock stays true.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { type FakeTime, fakeTime, missing } from "./fake-time.ts";
import { titled } from "./not-run.ts";
import { crash } from "./processes.ts";

const reason = await missing();
/** How far two readings of one moment may lie apart on a busy machine. */
const slackMs = 2_000;

interface Reading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

const program = `
const tell = () => console.log(JSON.stringify({ wallMs: Date.now(), monotonicMs: performance.now() }));
// Not at once, so that those who ask again and again leave the processor to others.
process.stdin.on("data", () => setTimeout(tell, 10));
`;

/** A Node process that tells the time whenever it is asked. */
function child(time: FakeTime): { readonly pid: number; read(): Promise<Reading & { aheadMs: number }> } {
  const started = spawn(process.execPath, ["-e", program], { env: { ...process.env, ...time.env } });
  onTestFinished(() => crash(started.pid as number));
  const lines = createInterface(started.stdout)[Symbol.asyncIterator]();
  return {
    pid: started.pid as number,
    async read() {
      started.stdin.write("?");
      const reading = JSON.parse((await lines.next()).value ?? "") as Reading;
      return { ...reading, aheadMs: reading.wallMs - Date.now() };
    },
  };
}

function ownTime(): FakeTime {
  const time = fakeTime();
  onTestFinished(() => time.close());
  return time;
}

describe.skipIf(reason !== undefined)(titled("a faked clock", reason), () => {
  test("jumps on and back at run time, and is set right; the monotonic clock does not notice", async () => {
    const time = ownTime();
    const { read } = child(time);
    const first = await read();
    expect(Math.abs(first.aheadMs)).toBeLessThan(slackMs);
    time.jump(3_600);
    expect(Math.abs((await read()).aheadMs - 3_600_000)).toBeLessThan(slackMs);
    time.jump(-7_200.5);
    expect(Math.abs((await read()).aheadMs + 3_600_500)).toBeLessThan(slackMs);
    time.restore();
    const last = await read();
    expect(Math.abs(last.aheadMs)).toBeLessThan(slackMs);
    const elapsedMs = last.wallMs - first.wallMs;
    expect(Math.abs(last.monotonicMs - first.monotonicMs - elapsedMs)).toBeLessThan(slackMs);
  });

  test.for([3, 0.25])("runs %d times as fast from now on, without a jump", async (factor) => {
    const time = ownTime();
    const { pid, read } = child(time);
    // Old enough that a rate which counts from the start of the process would show as a jump.
    const old = async (reading: Reading): Promise<Reading> =>
      reading.monotonicMs < 1_000 ? old(await read()) : reading;
    const before = await old(await read());
    time.rate(factor, pid);
    const first = await read();
    const jumpMs = first.wallMs - before.wallMs - (first.monotonicMs - before.monotonicMs);
    expect(Math.abs(jumpMs)).toBeLessThan(300);
    const later = async (reading: Reading): Promise<Reading> =>
      reading.monotonicMs - first.monotonicMs < 1_500 ? later(await read()) : reading;
    const last = await later(first);
    const measured = (last.wallMs - first.wallMs) / (last.monotonicMs - first.monotonicMs);
    expect(measured).toBeGreaterThan(factor * 0.95);
    expect(measured).toBeLessThan(factor * 1.05);

    // A jump keeps the rate and what has drifted already.
    const aheadMs = (await read()).aheadMs;
    time.jump(100);
    expect(Math.abs((await read()).aheadMs - aheadMs - 100_000)).toBeLessThan(slackMs);
    time.restore();
    expect(Math.abs((await read()).aheadMs)).toBeLessThan(slackMs);
  });

  test("several clocks are apart, bad numbers are refused, and close removes the file", async () => {
    const [fast, slow] = [ownTime(), ownTime()];
    fast.jump(86_400);
    slow.rate(0.5);
    const late = child(slow);
    const [ahead, behind] = [await child(fast).read(), await late.read()];
    expect(ahead.wallMs - behind.wallMs).toBeGreaterThan(86_400_000 - slackMs);
    // A rate from the start on, and another one later: no jump in between.
    slow.rate(1, late.pid);
    const after = await late.read();
    const jumpMs = after.wallMs - behind.wallMs - (after.monotonicMs - behind.monotonicMs);
    expect(Math.abs(jumpMs)).toBeLessThan(300);
    expect(after.aheadMs).toBeLessThan(0);
    for (const factor of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => fast.rate(factor)).toThrow("a rate must be more than 0");
    }
    expect(() => fast.jump(Number.NaN)).toThrow("a jump must be a number");
    const file = fast.env.FAKETIME_TIMESTAMP_FILE as string;
    expect(existsSync(file)).toBe(true);
    fast.close();
    expect(existsSync(file)).toBe(false);
  });
});
