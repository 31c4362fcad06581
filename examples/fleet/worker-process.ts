import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Direction, WorkerMessage, WorkerSettings } from "./messages.ts";

/** A worker, as the fleet sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Lets it take its next step. */
  goOn(): void;
  /** Makes it send itself a SIGSTOP right before its write, and so at a known place in its work. */
  stop(): void;
  /** SIGCONT */
  resume(): void;
  /** SIGKILL. It also ends a process that is stopped. */
  kill(): void;
  readonly ended: Promise<Ending>;
}

/** How a worker ended: all done, killed, or by a failure of its own. */
export interface Ending {
  readonly how: "finished" | "killed" | "failed";
  /** What it wrote to its standard error. */
  readonly complaint: string;
}

const program = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Starts a worker process. */
export function startWorker(
  settings: WorkerSettings,
  onMessage: (message: WorkerMessage) => void,
): WorkerProcess {
  const child = fork(program, [JSON.stringify(settings)], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  child.on("message", onMessage);
  // A direction to a worker that has just ended reaches nobody; that it has ended is told by `ended`.
  child.on("error", () => "told by its exit");
  const direct = (direction: Direction) => child.connected && child.send(direction);
  let endGuard = (): void => {};
  return {
    pid: child.pid ?? 0,
    goOn: () => direct("go on"),
    stop() {
      endGuard = guard(child);
      direct("stop");
    },
    resume() {
      child.kill("SIGCONT");
      endGuard();
    },
    kill: () => child.kill("SIGKILL"),
    ended: endOf(child).finally(() => endGuard()),
  };
}

/**
 * A worker that is stopped cannot notice that its parent has died. So a shell waits for that: its standard input
 * ends with this process, however it ends, and it continues the worker, which then leaves.
 */
function guard(child: ChildProcess): () => void {
  const shell = spawn("sh", ["-c", 'cat; kill -CONT "$0"', String(child.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  return () => shell.kill();
}

async function endOf(child: ChildProcess): Promise<Ending> {
  const complaint = child.stderr === null ? "" : text(child.stderr);
  const [code, signal] = await once(child, "exit");
  const how = code === 0 ? "finished" : signal === "SIGKILL" ? "killed" : "failed";
  return { how, complaint: (await complaint).trim() };
}
