import type { WorkerMessage } from "./messages.ts";

/** What the audience sees of one worker. */
export interface WorkerView {
  readonly worker: number;
  readonly state: "starting" | "waiting" | "working" | "stopped" | "killed" | "finished" | "failed";
  readonly job: string | null;
  readonly fence: number | null;
  /** `3/6` */
  readonly progress: string;
  /** When the lease ends unless it is renewed, as `Date.now()` has it. */
  readonly leaseEndsAtMs: number;
  readonly done: number;
  readonly takeovers: number;
}

const nothingHeld = { job: null, fence: null, progress: "", leaseEndsAtMs: 0 };

/** A worker that has not said anything yet. */
export function newView(worker: number): WorkerView {
  return { worker, state: "starting", ...nothingHeld, done: 0, takeovers: 0 };
}

/** The view after a message. */
export function afterMessage(view: WorkerView, message: WorkerMessage, nowMs: number): WorkerView {
  switch (message.kind) {
    case "waiting":
    case "refused":
    case "lost":
      return { ...view, ...nothingHeld, state: "waiting" };
    case "claimed": {
      const takeovers = view.takeovers + (message.earlier === null ? 0 : 1);
      const { job, fence, remainingMs } = message;
      return { ...view, state: "working", job, fence, takeovers, leaseEndsAtMs: nowMs + remainingMs };
    }
    case "step": {
      const { step, steps, remainingMs } = message;
      return { ...view, progress: `${step}/${steps}`, leaseEndsAtMs: nowMs + remainingMs };
    }
    case "done":
      return { ...view, ...nothingHeld, state: "waiting", done: view.done + 1 };
  }
}

/** The view after the worker ended, or was stopped. Who is killed or stopped keeps its lock, for a while. */
export function afterState(view: WorkerView, state: WorkerView["state"]): WorkerView {
  return { ...view, ...(state === "finished" && nothingHeld), state };
}
