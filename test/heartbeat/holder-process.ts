import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ConnectOptions } from "../../src/index.ts";

/** What a holder answers, as far as its call has it. */
export interface HolderAnswer {
  readonly fence: number;
  readonly atMs: number;
  readonly states: readonly string[];
  readonly remainingMs: number;
  readonly isAborted: boolean;
  readonly reason: string;
  readonly error: string;
}

/** A holder process under a test's control. */
export interface HolderProcess extends Disposable {
  /** Sends a command and waits for its answer. */
  call(call: string, argument?: string | number | readonly string[]): Promise<HolderAnswer>;
  /** SIGSTOP: every thread stands still. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Resolves with the exit code when it has ended. */
  readonly ended: Promise<number | null>;
}

const program = fileURLToPath(new URL("./holder.ts", import.meta.url));

/** Starts a holder. Resolves when it is connected. */
export async function startHolder(options: ConnectOptions): Promise<HolderProcess> {
  const child: ChildProcess = fork(program, [JSON.stringify(options)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const answers = new EventEmitter();
  child.on("message", (message: { event?: string; id?: number }) =>
    answers.emit(message.event ?? String(message.id), message),
  );
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const failed = ended.then((code) => {
    throw new Error(`the holder ended with ${code} before it was ready`);
  });
  await Promise.race([once(answers, "ready"), failed]);
  failed.catch(() => "it may end now");
  let calls = 0;
  return {
    ended,
    async call(call, argument) {
      calls += 1;
      const answer = once(answers, String(calls));
      child.send({ id: calls, call, argument });
      return (await answer)[0] as HolderAnswer;
    },
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    [Symbol.dispose]() {
      child.kill("SIGKILL");
    },
  };
}
