import type { ClaimedPort } from "./ports.ts";
import type { Runner } from "./runner.ts";
import { FatalError, waitUntil } from "./wait-until.ts";

const startTimeoutMs = 30_000;
const pollIntervalMs = 25;
const logTailLines = 15;

/** A server that one test owns: it may kill it, freeze it and start it again on the same port and store. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Full version, such as `2.15.1`. */
  readonly version: string;
  /** What it is, for people: `NATS 2.15.1 (local program)`. */
  readonly description: string;
  /** Process id on this machine; null in a container and while it does not run. */
  readonly pid: number | null;
  /** Ends it in order and keeps its store. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does, and keeps its store. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it on the same port and store; resolves when it answers. */
  restart(): Promise<void>;
  /** Freezes it: connections stay open, nothing is answered. */
  pause(): Promise<void>;
  /** Lets it go on after {@link TestServer.pause}. */
  resume(): Promise<void>;
  /** Everything that it has printed. */
  log(): Promise<string>;
  /** Ends it and deletes its store; it can't be restarted. */
  close(): Promise<void>;
}

/** What {@link startTestServer} starts. */
export interface ServerParts {
  /** What it is: `NATS`. */
  readonly product: string;
  /** Where it comes from: `local program`. */
  readonly origin: string;
  readonly runner: Runner;
  readonly claim: ClaimedPort;
  readonly url: string;
  /** Asks the server once; answers its version when it is ready and null when it is not yet. */
  probe(): Promise<string | null>;
}

/**
 * Starts a server and waits until it answers. When it does not, everything is cleaned up.
 *
 * @throws Error with the end of the server's log.
 */
export async function startTestServer(parts: ServerParts): Promise<TestServer> {
  const { product, origin, runner, claim, url, probe } = parts;

  async function untilReady(): Promise<string> {
    await runner.start();
    return await waitUntil(
      async () => {
        const failure = await runner.failure();
        if (failure !== null) throw new FatalError(failure);
        return await probe();
      },
      { timeoutMs: startTimeoutMs, intervalMs: pollIntervalMs, what: `${product} at ${url} to answer` },
    );
  }

  async function start(): Promise<string> {
    return untilReady().catch(async (error: Error) => {
      const tail = (await runner.log()).trim().split("\n").slice(-logTailLines).join("\n");
      throw new Error(`${product} (${origin}) did not start: ${error.message}\n${tail}`, { cause: error });
    });
  }

  async function close(): Promise<void> {
    await runner.remove();
    claim[Symbol.dispose]();
  }

  let version: string;
  try {
    version = await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    port: claim.port,
    version,
    description: `${product} ${version} (${origin})`,
    get pid() {
      return runner.pid;
    },
    stop: () => runner.stop(),
    kill: () => runner.kill(),
    async restart() {
      await runner.stop();
      await start();
    },
    pause: () => runner.pause(),
    resume: () => runner.resume(),
    log: () => runner.log(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
