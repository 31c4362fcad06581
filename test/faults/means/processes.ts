import { untilStopped } from "../../servers/stopped.ts";
import { waitUntil } from "../../servers/wait-until.ts";

const within = { timeoutMs: 10_000, intervalMs: 5 };

/** Whether a process exists: running, frozen, or dead and not yet noticed by its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Ends a process at once, as a crash does; resolves when it is gone. A frozen one as well.
 *
 * @throws Error when it is not there, or not gone within 10 s.
 */
export async function crash(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await waitUntil(async () => (isAlive(pid) ? null : true), { ...within, what: `process ${pid} to be gone` });
}

/**
 * Stops a process with all its threads, as a long pause of its machine does; resolves when it stands still. Its
 * connections stay open, and the clocks go on.
 *
 * @throws Error when it is not there, or does not stop within 5 s.
 */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await untilStopped(pid);
}

/**
 * Lets a process go on after {@link freeze}.
 *
 * @throws Error when it is not there.
 */
export function thaw(pid: number): void {
  process.kill(pid, "SIGCONT");
}
