/**
 * A process that holds locks on command and blocks its event loop, for tests of heartbeats in a thread.
 *
 * Started with the options of `connect` as JSON. Commands come over IPC as `{ id, call, argument }`; each is answered
 * by `{ id, ...answer }`. Times are on the machine's monotonic clock, shared by all processes.
 */
import { existsSync } from "node:fs";
import { type ConnectOptions, connect, type Grant, LeaseholdError } from "../../src/index.ts";

const coordinator = await connect(JSON.parse(process.argv[2] ?? "{}") as ConnectOptions & { url: string });
const grants: Grant[] = [];
/** A stall that ends by itself, so that a failing test ends. */
const stallMaxMs = 20_000;

const sharedNowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** What the first question shows, in the turn in which it is asked: no timer and no message came before. */
function look(): object {
  const [first] = grants;
  const isAborted = first?.signal.aborted;
  return {
    isAborted,
    states: grants.map(({ state }) => state),
    remainingMs: first?.remainingMs(),
    reason: String(first?.signal.reason ?? ""),
    atMs: sharedNowMs(),
  };
}

function block(isOver: () => boolean): void {
  const untilMs = sharedNowMs() + stallMaxMs;
  while (!isOver() && sharedNowMs() < untilMs);
}

const calls: Readonly<Record<string, (argument: never) => unknown>> = {
  async acquire(names: readonly string[]) {
    for (const name of names) grants.push(await coordinator.lock(name).acquire());
    return { fence: Math.max(...grants.map(({ fence }) => fence)), atMs: sharedNowMs() };
  },
  async acquireFor(ttl: number) {
    grants.push(await coordinator.lock(`for-${ttl}`, { ttl }).acquire());
    return { fence: grants.at(-1)?.fence, atMs: sharedNowMs() };
  },
  look,
  stall(milliseconds: number) {
    const endMs = sharedNowMs() + milliseconds;
    block(() => sharedNowMs() >= endMs);
    return look();
  },
  stallUntilExists(path: string) {
    block(() => existsSync(path));
    return look();
  },
  async release() {
    const atMs = sharedNowMs();
    for (const grant of grants.splice(0)) await grant.release();
    return { atMs };
  },
  async close() {
    await coordinator.close();
    return { atMs: sharedNowMs() };
  },
  /** Lets go of the channel to the test: then nothing else may keep the process alive. */
  letGo() {
    process.removeAllListeners("message");
    process.removeAllListeners("disconnect");
    setImmediate(() => process.disconnect());
    return {};
  },
};

process.on("disconnect", () => process.exit(0));
process.on("message", async ({ id, call, argument }: { id: number; call: string; argument: never }) => {
  try {
    process.send?.({ id, ...((await calls[call]?.(argument)) as object) });
  } catch (error) {
    process.send?.({ id, error: error instanceof LeaseholdError ? error.code : String(error) });
  }
});
process.send?.({ event: "ready" });
