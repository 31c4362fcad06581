import { once } from "node:events";
import type { Direction, Step, WorkerMessage } from "./messages.ts";

/**
 * The worker's end of the wire to the fleet. It makes the demo visible, and lets the fleet choose the worst
 * moment for an accident. A worker of your own has nothing like it.
 */
export interface Stage {
  /** Tells the fleet. */
  tell(message: WorkerMessage): void;
  /** Tells the fleet of a step, and waits for its direction. */
  step(step: Omit<Step, "kind">): Promise<Direction>;
  /** Stands still until somebody sends SIGCONT, as a process does on a machine that went to sleep. */
  stop(): void;
  /** Leaves. */
  leave(): void;
}

/** Ties this process to the fleet that started it. */
export function enterStage(): Stage {
  // No fleet, no worker: the channel closes when the parent is gone, whatever it died of.
  process.once("disconnect", () => process.exit());
  // Ctrl-C reaches every process of the terminal; the fleet decides what becomes of its workers.
  process.on("SIGINT", () => "left to the fleet");
  return {
    tell: (message) => process.send?.(message),
    async step(step) {
      const direction = once(process, "message");
      process.send?.({ kind: "step", ...step } satisfies WorkerMessage);
      return (await direction)[0];
    },
    stop: () => process.kill(process.pid, "SIGSTOP"),
    leave: () => process.disconnect(),
  };
}
