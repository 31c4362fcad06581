import { Accidents } from "./accidents.ts";
import type { Display } from "./display.ts";
import type { WorkerMessage, WorkerSettings } from "./messages.ts";
import { startWorker, type WorkerProcess } from "./worker-process.ts";
import { afterMessage, afterState, newView, type WorkerView } from "./worker-view.ts";

/** What a fleet runs on. */
export interface FleetOptions {
  readonly workers: number;
  readonly jobs: readonly string[];
  /** For every worker; the fleet numbers them. */
  readonly settings: Omit<WorkerSettings, "worker">;
  readonly display: Display;
}

const drawEveryMs = 100;

/** Worker processes that share a list of jobs, and the accidents that happen to them. */
export class Fleet implements Disposable {
  readonly accidents: Accidents;
  readonly #options: FleetOptions;
  readonly #display: Display;
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #views = new Map<number, WorkerView>();
  readonly #done = new Set<string>();
  #heardAtMs = Date.now();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#display = options.display;
    this.accidents = new Accidents(
      {
        stop: (worker) => {
          this.#change(worker, (view) => afterState(view, "stopped"));
          this.#workers.get(worker)?.stop();
        },
        goOn: (worker) => this.#workers.get(worker)?.goOn(),
        resume: (worker) => {
          this.#change(worker, (view) => afterState(view, "working"));
          this.#workers.get(worker)?.resume();
        },
        kill: (worker) => {
          this.#change(worker, (view) => afterState(view, "killed"));
          this.#workers.get(worker)?.kill();
        },
        tell: (text) => this.#display.event(text, "magenta"),
      },
      { workers: options.workers, jobs: options.jobs.length },
    );
  }

  /**
   * Starts the workers, and resolves when all have ended.
   *
   * @throws Error when nothing has happened for so long that nothing will.
   */
  async run(): Promise<void> {
    for (let worker = 1; worker <= this.#options.workers; worker += 1) this.#start(worker);
    const { promise: stalled, reject } = Promise.withResolvers<never>();
    const timer = setInterval(() => {
      this.#draw();
      if (Date.now() - this.#heardAtMs > this.#patienceMs)
        reject(new Error("no worker has got on for too long"));
    }, drawEveryMs);
    try {
      await Promise.race([Promise.all([...this.#workers.values()].map((worker) => worker.ended)), stalled]);
    } finally {
      clearInterval(timer);
      this.#draw();
    }
  }

  /** Ends the workers that are still there, each by its own process id. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.kill();
  }

  get #patienceMs(): number {
    const { ttlMs, jobMs } = this.#options.settings;
    return 30_000 + 10 * (ttlMs + jobMs);
  }

  #start(worker: number): void {
    this.#views.set(worker, newView(worker));
    const child = startWorker({ ...this.#options.settings, worker }, (message) =>
      this.#onMessage(worker, message),
    );
    this.#workers.set(worker, child);
    this.#display.detail(`worker ${worker} is process ${child.pid}`);
    child.ended.then(({ how, complaint }) => {
      this.#change(worker, (view) => afterState(view, how));
      if (how === "failed") this.#display.event(`worker ${worker} failed: ${complaint}`, "red");
    });
  }

  #onMessage(worker: number, message: WorkerMessage): void {
    if (message.kind !== "waiting") this.#heardAtMs = Date.now();
    if (message.kind === "done") this.#done.add(message.job);
    this.#change(worker, (view) => afterMessage(view, message, Date.now()));
    this.#report(worker, message);
    this.accidents.onMessage(worker, message);
  }

  #report(worker: number, message: WorkerMessage): void {
    const display = this.#display;
    if (message.kind === "claimed" && message.earlier !== null) {
      const { job, fence, earlier } = message;
      display.event(
        `worker ${worker} takes over ${job} from worker ${earlier.worker}: fence ${fence} is larger than ${earlier.fence}`,
        "yellow",
      );
    } else if (message.kind === "done") {
      display.detail(`worker ${worker} has done ${message.job}, fence ${message.fence}`);
    } else if (message.kind === "refused") {
      const { job, fence, seenFence } = message;
      display.event(
        `late write of worker ${worker} with fence ${fence} refused: ${job} has seen fence ${seenFence}`,
        "green",
      );
    } else if (message.kind === "lost") {
      display.event(`worker ${worker} stops its work on ${message.job}: ${message.reason}`, "yellow");
    }
  }

  #change(worker: number, change: (view: WorkerView) => WorkerView): void {
    const view = this.#views.get(worker);
    if (view !== undefined) this.#views.set(worker, change(view));
  }

  #draw(): void {
    const { jobs, settings } = this.#options;
    this.#display.draw({
      workers: [...this.#views.values()],
      done: this.#done.size,
      jobs: jobs.length,
      ttlMs: settings.ttlMs,
    });
  }
}
