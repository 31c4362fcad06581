// Goal: a thread that sends heartbeats is told of everything, tells everything, and leaves nothing behind.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { sqliteBackend } from "../../src/backends/sqlite/index.ts";
import { threadsRuntime } from "../../src/core/runtime.ts";
import { startHeartbeatThread } from "../../src/heartbeat/heartbeat-threads.ts";
import { type ConnectOptions, type Coordinator, connect, InvalidArgumentError } from "../../src/index.ts";
import { Session } from "../../src/sessions/session.ts";
import { decodeSession } from "../../src/sessions/session-record.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";

const ttl = 900;
const folder = mkdtempSync(join(tmpdir(), "leasehold-heartbeat-"));
afterAll(() => rmSync(folder, { recursive: true }));

let threads: Worker[] = [];
const remember = (thread: Worker): unknown => threads.push(thread);
beforeEach(() => {
  threads = [];
  process.on("worker", remember);
});
afterEach(() => process.off("worker", remember));

const freshPath = () => join(folder, `${randomUUID()}.db`);
const open = (path: string, options: Partial<ConnectOptions> = {}) =>
  connect(`sqlite:${path}`, { ttl, heartbeat: "thread", ...options });

async function sessionsIn(path: string) {
  const store = sqliteBackend({ path });
  const { records } = await store.scan("");
  await store.close();
  return records
    .filter(({ key }) => key.includes("session"))
    .map(({ key, value }) => decodeSession(key, value));
}

/** Resolves at the next heartbeat for which `isWanted`. */
function beat(coordinator: Coordinator, isWanted: (session: string) => boolean = () => true) {
  return new Promise<{ session: string; ttlMs: number; lateMs: number; roundTripMs: number }>((resolve) => {
    const stop = coordinator.on("heartbeat", (event) => {
      if (!isWanted(event.session)) return;
      stop();
      resolve(event);
    });
  });
}

test.each([
  ["memory:", {}, "needs a store that two threads can open"],
  ["sqlite:x.db", { runtime: {} as never }, "cannot be used with a runtime of your own"],
  [
    "sqlite:x.db",
    { heartbeat: "worker" as never },
    'heartbeat must be "event-loop" or "thread"; got "worker"',
  ],
  ["sqlite:x.db", { heartbeat: "event-loop", watchdog: "1m" }, 'watchdog needs heartbeat: "thread"'],
  ["sqlite:x.db", { watchdog: 899 }, "watchdog must be a duration from 900 ms to"],
  ["sqlite:x.db", { watchdog: "soon" as never }, "watchdog must be a duration"],
  ["sqlite:x.db", { watchdog: Number.POSITIVE_INFINITY }, "watchdog must be a duration"],
] as const)("%s with %o is refused, and nothing is opened", async (url, options, message) => {
  const store = url.replace("x.db", freshPath());
  const refusal = connect(store, { ttl, heartbeat: "thread", ...options });
  await expect(refusal).rejects.toThrow(InvalidArgumentError);
  await expect(refusal).rejects.toThrow(message);
  expect(existsSync(store.slice("sqlite:".length))).toBe(false);
  expect(threads).toEqual([]);
});

test("one thread renews the sessions of every TTL, and says so", async () => {
  const path = freshPath();
  await using coordinator = await open(path);
  const short = await coordinator.lock("a").acquire();
  const first = await beat(coordinator);
  const long = await coordinator.lock("b", { ttl: 2 * ttl }).acquire();
  const second = await beat(coordinator, (session) => session !== first.session);
  expect([first.ttlMs, second.ttlMs]).toEqual([ttl, 2 * ttl]);
  expect(first.roundTripMs).toBeGreaterThan(0);
  expect([short.state, long.state]).toEqual(["held", "held"]);
  expect(threads).toHaveLength(1);
  expect(await sessionsIn(path)).toHaveLength(2);
});

test("the record says which tickets are over, as the main thread knows it", async () => {
  const path = freshPath();
  await using coordinator = await open(path);
  await using _held = await coordinator.lock("held").acquire();
  for (let turn = 0; turn < 5; turn += 1) await (await coordinator.lock("done").acquire()).release();
  // The first heartbeat fetches the claim, the second one brings it, and the third one shows that it was applied.
  for (let beats = 0; beats < 3; beats += 1) await beat(coordinator);
  expect(await sessionsIn(path)).toMatchObject([{ state: "live", tickets: { next: 7, open: [1] } }]);
});

test("closing deletes the sessions' records and ends the thread", async () => {
  const path = freshPath();
  const coordinator = await open(path);
  await coordinator.lock("a").acquire();
  await coordinator.lock("b", { ttl: 2 * ttl }).acquire();
  const [thread] = threads;
  const exited = new Promise((resolve) => thread?.on("exit", resolve));
  await coordinator.close();
  expect(await exited).toBe(0);
  expect(await sessionsIn(path)).toEqual([]);
});

test("a thread that dies takes its sessions with it; the next acquire starts another one", async () => {
  await using coordinator = await open(freshPath());
  const grant = await coordinator.lock("a").acquire();
  const lost = new Promise((resolve) => grant.signal.addEventListener("abort", resolve));
  await threads[0]?.terminate();
  await lost;
  expect(grant.state).toBe("lost");
  expect(String(grant.signal.reason)).toContain("the thread that sent its heartbeats ended");
  const grants = await Promise.all(["b", "c"].map((name) => coordinator.lock(name).acquire()));
  expect(grants.map(({ state }) => state)).toEqual(["held", "held"]);
  expect(threads).toHaveLength(2);
  expect((await coordinator.lock("a").acquire({ wait: "20s" })).fence).toBeGreaterThan(grant.fence);
});

test("a thread that fails ends its sessions with its error as the cause", async () => {
  await using coordinator = await open(freshPath());
  const grant = await coordinator.lock("a").acquire();
  const lost = new Promise((resolve) => grant.signal.addEventListener("abort", resolve));
  threads[0]?.emit("error", new Error("out of memory"));
  await threads[0]?.terminate();
  await lost;
  const { cause } = grant.signal.reason as Error;
  expect(causes(cause)).toContain("the heartbeat thread failed: out of memory");
});

test("a grant that is taken by force, or declared dead by somebody, is lost at once", async () => {
  const path = freshPath();
  await using coordinator = await open(path);
  await using administrator = await connect(`sqlite:${path}`);
  const grant = await coordinator.lock("a").acquire();
  const lost = new Promise((resolve) => grant.signal.addEventListener("abort", resolve));
  await administrator.forceRelease("a", { kind: "lock", reason: "a test" });
  await lost;
  const other = await coordinator.lock("b").acquire();
  const store = sqliteBackend({ path });
  const gone = new Promise((resolve) => other.signal.addEventListener("abort", resolve));
  const { records } = await store.scan("");
  for (const { key } of records.filter((record) => record.key.includes("session"))) {
    await store.commit([{ kind: "delete", key }]);
  }
  await gone;
  expect(String(other.signal.reason)).toContain("its record vanished from the store");
  await store.close();
});

test("options that are refused once the thread has started leave none behind", async () => {
  const exited = new Promise((resolve) => process.once("worker", (thread) => thread.on("exit", resolve)));
  await expect(open(freshPath(), { driftTolerance: 2 })).rejects.toThrow(/driftTolerance must be/);
  expect(await exited).toBe(0);
});

test("what the thread meets when it connects is what connect rejects with", async () => {
  // The first connection makes the file, and the thread finds it gone.
  const path = freshPath();
  process.once("worker", () => rmSync(path));
  await expect(open(path)).rejects.toMatchObject({ code: "STORE_MISSING" });
});

test("two connections that reach two stores by one URL are noticed before anything is held", async () => {
  const [here, elsewhere] = [mkdtempSync(join(folder, "here-")), mkdtempSync(join(folder, "elsewhere-"))];
  const home = process.cwd();
  await (await connect(`sqlite:${join(elsewhere, "x.db")}`)).close();
  try {
    process.chdir(here);
    process.once("worker", () => process.chdir(elsewhere));
    await using coordinator = await open("./x.db");
    await expect(coordinator.lock("a").acquire()).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
  } finally {
    process.chdir(home);
  }
});

test.each([["--input-type=module"], ["--no-warnings"]])(
  "a program on the command line with %s may use it",
  async (option) => {
    const program =
      `const { connect } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url))});` +
      `await using coordinator = await connect("sqlite:${freshPath()}", { heartbeat: "thread" });` +
      `process.stdout.write((await coordinator.lock("a").acquire()).state);`;
    const { stdout } = await promisify(execFile)(process.execPath, [option, "-e", program]);
    expect(stdout).toBe("held");
  },
);

test("a record that a replica is late to show is no other store's", async () => {
  const path = freshPath();
  const order = { url: `sqlite:${path}`, runtime: threadsRuntime, watchdogMs: undefined };
  const backend = observeBackend(sqliteBackend({ path }));
  await backend.setup();
  let lateReads = 3;
  backend.intercept(async (request, send) => {
    const answer = await send();
    if (request.kind !== "get" || lateReads === 0) return answer;
    lateReads -= 1;
    return [null] as unknown as typeof answer;
  });
  const thread = await startHeartbeatThread(order);
  const client = { host: "host", pid: 1 };
  const context = { backend, runtime: threadsRuntime, namespace: "n", client };
  const { makeRenewal } = thread;
  const session = await Session.open({ ...context, makeRenewal }, ttl);
  expect([session.state, lateReads]).toEqual(["held", 0]);
  await session.close();
  await thread.close();
  await backend.close();
});

function causes(error: unknown): string {
  return error instanceof Error ? `${error.message} ${causes(error.cause)}` : "";
}
