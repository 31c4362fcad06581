/**
 * A process that holds locks on command, for tests that kill, stop and stall it.
 *
 * Commands come over IPC as `{ id, call, ... }`; each is answered by `{ id, ...answer }`. A lost lease is reported
 * unasked as `{ event: "lost", fence, atMs }`. Times are on the machine's monotonic clock, shared by all processes.
 */
import { connect, type Grant, LeaseholdError } from "../../src/index.ts";

const [url = "", ttlText = "2000"] = process.argv.slice(2);
const coordinator = await connect(url, { ttl: Number(ttlText) });
let grant: Grant | undefined;
let signal: AbortSignal | undefined;

/** A clock that all processes of this machine share. */
const sharedNowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

function held(): Grant {
  if (grant === undefined) throw new Error("nothing is held");
  return grant;
}

function busyFor(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

const calls: Readonly<Record<string, (argument: never) => unknown>> = {
  async acquire(name: string) {
    grant = await coordinator.lock(name).acquire();
    const { fence } = grant;
    signal = grant.signal;
    signal.addEventListener("abort", () => process.send?.({ event: "lost", fence, atMs: sharedNowMs() }));
    return { fence, atMs: sharedNowMs() };
  },
  state: () => ({ state: held().state, remainingMs: held().remainingMs() }),
  async release() {
    await held().release();
    return {};
  },
  /** Blocks the event loop, then looks at the signal in the same turn, before any timer could run. */
  stall(milliseconds: number) {
    busyFor(milliseconds);
    return { isAborted: signal?.aborted, state: held().state };
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
