import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  SHARE_ENV,
  Worker,
} from "node:worker_threads";
import { ClosedError, UnavailableError } from "../core/errors.ts";
import { type Runtime, startSleep } from "../core/runtime.ts";
import { rebuildError } from "./error-copy.ts";
import type { FromThread, ThreadOrder, ThreadStart, ToThread } from "./thread-messages.ts";

/** How long a thread may take to close its connection before it is stopped. */
const closeMaxMs = 5_000;

/** Who is told what the thread says about one session. */
export interface ThreadListener {
  hear(message: FromThread): void;
  onThreadGone(error: Error): void;
}

/** One running heartbeat thread, as the main thread sees it. It does not keep the process alive by itself. */
export class ThreadLink {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #runtime: Runtime;
  readonly #listeners = new Map<string, ThreadListener>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  #failure: Error | undefined;
  #awaited = 0;
  #isGone = false;
  #isClosing = false;

  private constructor(runtime: Runtime, order: Omit<ThreadOrder, "port">) {
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadOrder = { ...order, port: port2 };
    this.#runtime = runtime;
    this.#port = port1;
    this.#worker = new Worker(program(), {
      workerData,
      transferList: [port2],
      env: SHARE_ENV,
      ...(isFromCommandLine() && { execArgv: [] }),
      name: "leasehold heartbeats",
    });
    this.#worker.on("error", (error: Error) => {
      this.#failure = error;
    });
    this.#worker.on("exit", () => this.#onExit());
    port1.on("message", (message: FromThread | ThreadStart) => this.#hear(message));
    this.#worker.unref();
    port1.unref();
    this.#ready.promise.catch(() => "start() tells");
  }

  /** Starts a thread. Resolves when it is connected to the store; rejects with the error it met. */
  static async start(runtime: Runtime, order: Omit<ThreadOrder, "port">): Promise<ThreadLink> {
    const link = new ThreadLink(runtime, order);
    await link.awaited(link.#ready.promise);
    return link;
  }

  /** Whether it has ended. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Tells `listener` what the thread says about a session. */
  add(session: string, listener: ThreadListener): void {
    this.#listeners.set(session, listener);
    if (this.#isGone) this.#tellGone();
  }

  /** Tells nobody about this session any more. */
  remove(session: string): void {
    this.#listeners.delete(session);
  }

  /** Says something to the thread. Lost when that has ended. */
  post(message: ToThread): void {
    this.#port.postMessage(message);
  }

  /** Waits for an answer of the thread, and keeps the process alive meanwhile. */
  async awaited<T>(answer: Promise<T>): Promise<T> {
    this.#awaited += 1;
    if (this.#awaited === 1) this.#worker.ref();
    try {
      return await answer;
    } finally {
      this.#awaited -= 1;
      if (this.#awaited === 0) this.#worker.unref();
    }
  }

  /** Hears now what the thread has said, and not in a later turn of the event loop. */
  drain(): void {
    const messages: (FromThread | ThreadStart)[] = [];
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      messages.push(received.message as FromThread | ThreadStart);
    }
    // Ends first: whatever else is heard makes a session look at its deadline, which is not why it ended.
    const [ended, others] = [messages.filter(isEnd), messages.filter((message) => !isEnd(message))];
    for (const message of [...ended, ...others]) this.#hear(message);
  }

  /** Ends the thread: by itself, or by force if that takes too long. */
  async close(): Promise<void> {
    if (this.#isGone) return;
    this.#isClosing = true;
    this.post({ kind: "close" });
    const patience = startSleep(this.#runtime, closeMaxMs, { holdsProcessOpen: true });
    void this.#gone.promise.then(patience.end);
    await patience.over;
    if (!this.#isGone) await this.#worker.terminate();
  }

  #hear(message: FromThread | ThreadStart): void {
    if (message.kind === "ready") this.#ready.resolve();
    else if (message.kind === "unable") this.#ready.reject(rebuildError(message.error));
    else this.#listeners.get(message.session)?.hear(message);
  }

  #onExit(): void {
    this.drain();
    this.#isGone = true;
    this.#port.close();
    this.#ready.reject(this.#reason());
    this.#gone.resolve();
    this.#tellGone();
  }

  #tellGone(): void {
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.onThreadGone(this.#reason());
  }

  #reason(): Error {
    if (this.#isClosing) return new ClosedError("the coordinator is closed");
    const how = this.#failure === undefined ? "was stopped" : `failed: ${this.#failure.message}`;
    return new UnavailableError(`the heartbeat thread ${how}. The next acquire starts another one`, {
      ...(this.#failure !== undefined && { cause: this.#failure }),
    });
  }
}

/** `node --input-type=module -e ...`: what says how to read a program of the command line fits no file. */
function isFromCommandLine(): boolean {
  return process.execArgv.some((option) => option.startsWith("--input-type"));
}

function isEnd({ kind }: FromThread | ThreadStart): boolean {
  return kind === "ended";
}

/** From the sources or from the package, whichever this file belongs to. */
function program(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("./heartbeat-thread.ts", import.meta.url)
    : new URL("./heartbeat-thread.js", import.meta.url);
}
