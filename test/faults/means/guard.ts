import { spawn } from "node:child_process";

/** A clean-up that waits for the end of this process. */
export interface Guard {
  /** Calls it off: the clean-up was done. */
  dismiss(): void;
}

/**
 * Runs a shell script, with arguments from `$1` on, once this process is gone, however it ended: a killed test leaves
 * no mount and no folder. The script must bear that other clean-ups run at the same time.
 */
export function whenGone(script: string, ...args: readonly string[]): Guard {
  // The pipe to its standard input closes with this process.
  const child = spawn("sh", ["-c", `while read -r _; do :; done\n${script}`, "sh", ...args], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // An interrupt from the terminal must not end the guard first.
  });
  child.on("error", () => {}); // No shell, no guard: what it would do is done by close() all the same.
  child.stdin.on("error", () => {}); // It is never written to; only its end matters.
  child.unref();
  (child.stdin as unknown as { unref?: () => void }).unref?.();
  return {
    dismiss() {
      child.kill("SIGKILL");
    },
  };
}
