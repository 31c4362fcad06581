// Goal: real processes that add to one counter on a real store, one of which is killed and one of which stands still in
// between, never share a sum and lose no add that was answered; what the killed one had asked counts once or not at all.
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { waitUntil } from "../servers/wait-until.ts";

const inFlight = 8;
const folder = mkdtempSync(join(tmpdir(), "leasehold-counters-"));
afterAll(() => rmSync(folder, { recursive: true }));

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => `sqlite:${join(folder, `${randomUUID()}.db`)}`,
  nats: () => `${sharedServers().nats.url}/${randomUUID()}`,
  dynamodb: () =>
    `dynamodb://local/t${randomUUID()}?endpoint=${encodeURIComponent(sharedServers().dynamodb.url)}`,
};

interface Adder extends Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** What it has written down so far. */
  read(): { readonly asked: number; readonly sums: readonly number[]; readonly failures: readonly string[] };
}

const program = fileURLToPath(new URL("./adding-process.ts", import.meta.url));

async function startAdder(url: string, bound = ""): Promise<Adder> {
  const file = join(folder, randomUUID());
  const child = fork(program, [url, file, String(inFlight), bound], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const ended = once(child, "exit");
  const endedEarly = ended.then(([code]) =>
    Promise.reject(new Error(`ended with ${code} before it was ready`)),
  );
  await Promise.race([once(child, "message"), endedEarly]);
  endedEarly.catch(() => "it may end now");
  return {
    child,
    ended,
    read() {
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
      const after = (word: string) =>
        lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
      return {
        asked: lines.filter((line) => line === "asked").length,
        sums: after("told").map(Number),
        failures: after("failed"),
      };
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

/** Resolves once a process was told so many sums more than now. */
async function told(adder: Adder, more: number): Promise<void> {
  const before = adder.read().sums.length;
  await waitUntil(async () => (adder.read().sums.length >= before + more ? true : null), {
    timeoutMs: 30_000,
    intervalMs: 10,
    what: `${more} more sums to be told`,
  });
}

describe.each(Object.entries(stores))("on %s", (name, freshUrl) => {
  // A process that stands still within a transaction on a file holds up everybody, until it goes on or is killed.
  const stop = (child: ChildProcess): boolean => name === "sqlite" || child.kill("SIGSTOP");

  test.each([
    ["by the store's own adds", ""],
    ["by comparing and setting", "1000000000"],
  ])("processes that are killed and stopped count once %s", async (_how, bound) => {
    const url = freshUrl();
    await using coordinator = await connect(url);
    const start = () => startAdder(url, bound);
    const starting = [start(), start(), start()] as const;
    using victim = await starting[0];
    using sleeper = await starting[1];
    using third = await starting[2];
    const adders = [victim, sleeper, third];
    await Promise.all(adders.map((adder) => told(adder, 5)));
    stop(sleeper.child);
    await told(third, 10);
    victim.child.kill("SIGKILL");
    await victim.ended;
    await told(third, 10);
    sleeper.child.kill("SIGCONT");
    await told(sleeper, 5);
    for (const { child } of [sleeper, third]) child.send("stop");
    await Promise.all([sleeper.ended, third.ended]);
    const reports = adders.map((adder) => adder.read());
    const sums = reports.flatMap((report) => report.sums);
    expect(new Set(sums).size).toBe(sums.length);
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    for (const { asked, sums: mine } of reports.slice(1)) expect(asked).toBe(mine.length);
    const total = await coordinator.counter("orders").get();
    const unanswered = (reports[0]?.asked ?? 0) - (reports[0]?.sums.length ?? 0);
    expect(unanswered).toBeLessThanOrEqual(inFlight);
    expect(total).toBeGreaterThanOrEqual(sums.length);
    expect(total).toBeLessThanOrEqual(sums.length + unanswered);
    expect(sums.filter((sum) => sum > total)).toEqual([]);
  });
});
