import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runner } from "./runner.ts";
import { untilStopped } from "./stopped.ts";

const stopGraceMs = 5_000;
const killGraceMs = 5_000;

// Ends the server and deletes its folder when this process is gone, however it ended: the pipe to the
// guard's standard input then closes. Lines on it say which process runs now.
const guardScript = `
while read -r line; do pid=$line; done
[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
rm -rf -- "$1"
`;

/** What {@link localRunner} starts. */
export interface LocalProgram {
  /** Prefix of the name of its temporary folder. */
  readonly name: string;
  /** Gives the command, told the server's own temporary folder. */
  command(folder: string): Promise<readonly [string, ...string[]]>;
}

/** A runner for a program of this machine, with a temporary folder of its own. */
export async function localRunner({ name, command }: LocalProgram): Promise<Runner> {
  const folder = await mkdtemp(join(tmpdir(), `leasehold-${name}-`));
  const logPath = join(folder, "log");
  const guard = spawn("sh", ["-c", guardScript, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // An interrupt from the terminal must not end the guard first.
  });
  guard.unref();
  unreference(guard.stdin);
  guard.stdin.on("error", () => {}); // The guard may have ended on its own; nothing depends on it then.
  const [file, ...args] = await command(folder);
  let child: ChildProcess | null = null;

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const running = child;
    if (running === null || hasEnded(running)) return;
    if (signal === "SIGTERM") {
      running.kill("SIGCONT"); // A paused process would not see the request.
      running.kill("SIGTERM");
      if (await endsWithin(running, stopGraceMs)) return;
    }
    running.kill("SIGKILL");
    if (!(await endsWithin(running, killGraceMs))) throw new Error(`${name}: the process did not end`);
  }

  return {
    get pid() {
      return child === null || hasEnded(child) ? null : (child.pid ?? null);
    },
    async start() {
      if (child !== null && !hasEnded(child)) return;
      const log = await open(logPath, "a");
      try {
        const started = spawn(file, args, { cwd: folder, stdio: ["ignore", log.fd, log.fd], detached: true });
        await new Promise<void>((resolve, reject) => {
          started.once("spawn", resolve);
          started.once("error", reject);
        });
        started.unref();
        guard.stdin.write(`${started.pid}\n`);
        started.once("exit", () => guard.stdin.write("\n"));
        child = started;
      } finally {
        await log.close();
      }
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async pause() {
      child?.kill("SIGSTOP");
      if (child?.pid !== undefined) await untilStopped(child.pid);
    },
    async resume() {
      child?.kill("SIGCONT");
    },
    async failure() {
      if (child === null || !hasEnded(child)) return null;
      return `it ended with ${child.signalCode ?? `code ${child.exitCode}`}`;
    },
    log: () => readFile(logPath, "utf8").catch(() => ""),
    async remove() {
      await end("SIGTERM");
      guard.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endsWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (hasEnded(child)) return resolve(true);
    const timer = setTimeout(() => {
      child.off("exit", onExit);
      resolve(false);
    }, timeoutMs);
    const onExit = () => {
      clearTimeout(timer);
      resolve(true);
    };
    child.once("exit", onExit);
  });
}

/** Servers must not keep a script alive that forgets to close them: the guard ends them. */
function unreference(stream: unknown): void {
  (stream as { unref?: () => void }).unref?.();
}
