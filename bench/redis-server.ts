/** A Redis of the benchmark's own, where there is a program for it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { claimPort } from "../test/servers/ports.ts";

export interface RedisServer extends AsyncDisposable {
  readonly version: string;
  /** A connection that sends what is asked in one turn in one pipeline, as ioredis does when it is told to. */
  readonly client: Redis;
  /** Commands that the server has worked on so far. */
  commands(): Promise<number>;
}

/** Starts it on a free port, without persistence: at its fastest. `null` where no `redis-server` is on the path. */
export async function startRedis(): Promise<RedisServer | null> {
  const version = installedVersion();
  if (version === null) return null;
  const claim = await claimPort();
  const folder = await mkdtemp(join(tmpdir(), "leasehold-redis-"));
  const options = ["--port", String(claim.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", [...options, "--dir", folder], { stdio: "ignore" });
  const client = new Redis({ host: "127.0.0.1", port: claim.port, enableAutoPipelining: true });
  // Refused until it listens.
  client.on("error", () => undefined);
  await client.ping();
  return {
    version,
    client,
    async commands() {
      return Number(/total_commands_processed:(\d+)/.exec(await client.info("stats"))?.[1]);
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await stop(child);
      claim[Symbol.dispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function installedVersion(): string | null {
  try {
    return /v=(\S+)/.exec(execFileSync("redis-server", ["--version"], { encoding: "utf8" }))?.[1] ?? null;
  } catch {
    return null;
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
