import { readdir, readFile } from "node:fs/promises";
import { runCommand } from "./run-command.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Resolves when a process that was sent SIGSTOP stands still with all its threads. The signal only asks for it: on a
 * busy machine a server may answer one more request.
 *
 * @throws Error when it does not within 5 s.
 */
export async function untilStopped(pid: number): Promise<void> {
  await waitUntil(() => isStopped(pid), { timeoutMs: 5_000, intervalMs: 5, what: `process ${pid} to stop` });
}

async function isStopped(pid: number): Promise<true | null> {
  if (process.platform !== "linux") {
    const { stdout } = await runCommand(["ps", "-o", "stat=", "-p", String(pid)]);
    return stdout.trim().startsWith("T") ? true : null;
  }
  const threads = await readdir(`/proc/${pid}/task`);
  const states = threads.map(async (thread) => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, "utf8");
    // The state follows the name, which stands in parentheses and may contain some itself.
    return stat.charAt(stat.lastIndexOf(")") + 2);
  });
  return (await Promise.all(states)).every((state) => state === "T") ? true : null;
}
