import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a worker answers, as far as its call has it. */
export interface WorkerAnswer {
  readonly fence: number;
  readonly atMs: number;
  readonly state: string;
  readonly remainingMs: number;
  readonly isAborted: boolean;
  readonly error: string;
}

/** A worker process under a test's control. */
export interface WorkerProcess extends Disposable {
  /** Sends a command and waits for its answer. */
  call(call: "acquire" | "state" | "release" | "stall", argument?: string | number): Promise<WorkerAnswer>;
  /** Resolves when the worker reports that it lost its lease; remembers a report that has come already. */
  readonly lost: Promise<WorkerAnswer>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: everything stands still, connections stay open. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

const program = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Starts a worker on a store. Resolves when it is connected. */
export async function startWorker(url: string, ttlMs: number): Promise<WorkerProcess> {
  const child: ChildProcess = fork(program, [url, String(ttlMs)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const answers = new EventEmitter();
  child.on("message", (message: WorkerAnswer & { event?: string; id?: number }) =>
    answers.emit(message.event ?? String(message.id), message),
  );
  const lost = once(answers, "lost").then(([answer]) => answer as WorkerAnswer);
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`the worker ended with ${code} before it was ready`);
  });
  await Promise.race([once(answers, "ready"), failed]);
  failed.catch(() => "it may end now");
  let calls = 0;
  return {
    lost,
    async call(call, argument) {
      calls += 1;
      const answer = once(answers, String(calls));
      child.send({ id: calls, call, argument });
      return (await answer)[0] as WorkerAnswer;
    },
    async kill() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    [Symbol.dispose]() {
      child.kill("SIGKILL");
    },
  };
}

/** The clock on which workers tell times. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
