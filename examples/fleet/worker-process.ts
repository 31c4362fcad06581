import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Direction, WorkerMessage, WorkerSettings } from "./messages.ts";

/** A worker, as the fleet sees it. */
export interface WorkerProcess {
  readonly pid: number;
  direct(direction: Direction): void;
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
  return {
    pid: child.pid ?? 0,
    direct: (direction) => child.connected && child.send(direction),
    resume: () => child.kill("SIGCONT"),
    kill: () => child.kill("SIGKILL"),
    ended: endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<Ending> {
  const complaint = child.stderr === null ? "" : text(child.stderr);
  const [code, signal] = await once(child, "exit");
  const how = code === 0 ? "finished" : signal === "SIGKILL" ? "killed" : "failed";
  return { how, complaint: (await complaint).trim() };
}
