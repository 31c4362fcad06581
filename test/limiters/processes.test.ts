// Goal: four real processes that share a limit, one of them killed in the middle and one with a clock that is half a minute
// off, never get more than the limit together; in exact mode all that live get exactly what is there.
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { RateLimiterOptions } from "../../src/index.ts";
import { fakeTime, missing } from "../faults/means/fake-time.ts";
import { sharedServers } from "../servers/shared.ts";

interface Told {
  readonly allowed: number;
  readonly denied: number;
  readonly degraded: number;
  readonly nowMs: number;
  readonly isOver: boolean;
}

const program = fileURLToPath(new URL("./crowd-process.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "leasehold-limiters-"));
afterAll(() => rmSync(folder, { recursive: true }));
const limit = 1_500;
const clockOffSeconds = 30;
const whyNoFakeTime = await missing();

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => `sqlite:${join(folder, `${randomUUID()}.db`)}`,
  nats: () => `${sharedServers().nats.url}/${randomUUID()}`,
  dynamodb: () =>
    `dynamodb://local/t${randomUUID()}?endpoint=${encodeURIComponent(sharedServers().dynamodb.url)}`,
};

/** One process of the crowd, and what it said last. */
class Member {
  readonly #child: ChildProcess;
  told: Told = { allowed: 0, denied: 0, degraded: 0, nowMs: 0, isOver: false };
  readonly over: Promise<void>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#child = fork(program, [], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: { ...process.env, ...env },
    });
    this.over = new Promise((resolve, reject) => {
      this.#child.on("message", (message: Told | "ready") => {
        if (message === "ready") return;
        this.told = message;
        if (message.isOver) resolve();
      });
      this.#child.once("exit", (code) => reject(new Error(`a process of the crowd ended with ${code}`)));
    });
    this.over.catch(() => "it may have been killed");
  }

  async ready(): Promise<void> {
    const [message] = await once(this.#child, "message");
    expect(message).toBe("ready");
  }

  start(url: string, options: RateLimiterOptions): void {
    this.#child.send({ url, options, concurrency: 8, quietMs: 3_000 });
  }

  /** Resolves when it was allowed so many, or nothing is left for it. */
  async reached(allowed: number): Promise<void> {
    while (this.told.allowed < allowed && !this.told.isOver) {
      await Promise.race([once(this.#child, "message"), this.over]);
    }
  }

  async kill(): Promise<void> {
    const isGone = this.#child.exitCode !== null;
    const gone = isGone ? undefined : once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

async function run(
  url: string,
  mode: "exact" | "leased",
  kills: boolean,
): Promise<{ readonly total: number; readonly degraded: number }> {
  using time = fakeTime();
  time.jump(clockOffSeconds);
  using first = new Member();
  using second = new Member();
  using doomed = new Member();
  using skewed = new Member(time.env);
  const all = [first, second, doomed, skewed];
  await Promise.all(all.map((member) => member.ready()));
  const policies = [{ limit, per: "1h", algorithm: "fixed-window" }] as const;
  for (const member of all) member.start(url, { policies, mode, timeout: "20s" });
  if (kills) {
    await doomed.reached(limit / 50);
    await doomed.kill();
  }
  const alive = kills ? [first, second, skewed] : all;
  await Promise.all(alive.map(({ over }) => over));
  expect(skewed.told.nowMs - first.told.nowMs).toBeGreaterThan(0.5 * clockOffSeconds * 1_000);
  const sum = (of: (told: Told) => number, members: readonly Member[]): number =>
    members.reduce((total, { told }) => total + of(told), 0);
  return {
    total: sum(({ allowed }) => allowed, all),
    degraded: sum(({ degraded }) => degraded, alive),
  };
}

const title = whyNoFakeTime === undefined ? "" : ` (${whyNoFakeTime})`;
const test4 = test.skipIf(whyNoFakeTime !== undefined);

describe.each(Object.entries(stores))("on %s", (_, freshUrl) => {
  test4(`exact: exactly the limit${title}`, { timeout: 60_000 }, async () => {
    expect(await run(freshUrl(), "exact", false)).toEqual({ total: limit, degraded: 0 });
  });

  test4(`exact, and one is killed: never more than the limit${title}`, { timeout: 60_000 }, async () => {
    const { total, degraded } = await run(freshUrl(), "exact", true);
    expect(degraded).toBe(0);
    expect(total).toBeLessThanOrEqual(limit);
    // What the killed one was given and could not tell of any more: a few writes of its callers.
    expect(total).toBeGreaterThan(limit - 200);
  });

  test4(`leased, and one is killed: never more than the limit${title}`, { timeout: 60_000 }, async () => {
    const { total, degraded } = await run(freshUrl(), "leased", true);
    expect(degraded).toBe(0);
    expect(total).toBeLessThanOrEqual(limit);
    // What the killed one held counts as spent.
    expect(total).toBeGreaterThan(limit / 3);
  });
});
