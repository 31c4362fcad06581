import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { untilStopped } from "../servers/stopped.ts";
import { waitUntil } from "../servers/wait-until.ts";
import { isProgress, type WorkerLog } from "./history.ts";
import { type LogReader, openLogReader } from "./worker-log.ts";
import type { WorkerSettings } from "./worker-settings.ts";

/** How the worker at one place reaches its store, and in what surroundings it runs. */
export interface Launch {
  readonly url: string;
  /** The command that runs `command` elsewhere, in the same process. */
  through?(command: readonly [string, ...string[]]): readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
}

/** One worker process. */
export interface Member {
  readonly worker: string;
  readonly place: number;
  readonly pid: number;
  /** Whether it runs: neither killed nor ended. It may be stopped. */
  readonly isAlive: boolean;
  /** When it was ready; undefined until then. */
  readonly readyAt: number | undefined;
  /** The first time after `since` at which it got something done. */
  progressAfter(since: number): number | undefined;
  /** SIGKILL; resolves when it is gone. */
  kill(at: number): Promise<void>;
  /** SIGSTOP; resolves when it stands still. */
  stop(): Promise<void>;
  /** SIGCONT. */
  resume(): void;
}

/** The worker processes of one case, each at a place of its own. */
export interface Crew extends AsyncDisposable {
  /** Those that run now, by place. */
  readonly members: readonly Member[];
  /** Starts another process at the place of one that was killed; resolves when it is ready. */
  replace(place: number): Promise<Member>;
  /** How often anybody got something done so far. */
  operations(): number;
  /** Tells everybody that the faults are over, and that nobody need leave any more. */
  settle(): void;
  /** Tells everybody to stop, and waits. Answers who did not. */
  end(timeoutMs: number): Promise<readonly string[]>;
  logs(): readonly WorkerLog[];
}

/** What {@link startCrew} needs. */
export interface CrewOptions {
  readonly size: number;
  readonly folder: string;
  readonly seed: number;
  readonly settings: Omit<WorkerSettings, "worker" | "url" | "seed" | "logPath">;
  launch(place: number): Launch;
}

const program = fileURLToPath(new URL("./worker.ts", import.meta.url));
const readyTimeoutMs = 30_000;
const pollMs = 20;

/** Starts the workers of one case; resolves when all are ready. */
export async function startCrew(options: CrewOptions): Promise<Crew> {
  const all: CrewMember[] = [];
  const start = async (place: number): Promise<CrewMember> => {
    const incarnation = all.filter((member) => member.place === place).length;
    const member = new CrewMember(options, place, incarnation);
    all.push(member);
    await waitUntil(
      async () => {
        if (!member.isAlive) throw new Error(`worker ${member.worker} ended at once: ${member.errors}`);
        return member.readyAt ?? null;
      },
      { timeoutMs: readyTimeoutMs, intervalMs: pollMs, what: `worker ${member.worker} to be ready` },
    );
    return member;
  };
  const crew: Crew = {
    get members() {
      return all.filter(({ isAlive }) => isAlive).sort((a, b) => a.place - b.place);
    },
    replace: start,
    operations: () => all.reduce((sum, { events }) => sum + events.filter(isProgress).length, 0),
    settle() {
      for (const member of all) member.settle();
    },
    async end(timeoutMs) {
      await Promise.all(all.map((member) => member.end(timeoutMs)));
      return all.filter(({ isStubborn }) => isStubborn).map(({ worker }) => worker);
    },
    logs: () => all.map((member) => member.log),
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((member) => member.remove()));
    },
  };
  try {
    await Promise.all(Array.from({ length: options.size }, (_, place) => start(place)));
    return crew;
  } catch (error) {
    await crew[Symbol.asyncDispose]();
    throw error;
  }
}

class CrewMember implements Member {
  readonly worker: string;
  readonly place: number;
  isStubborn = false;
  errors = "";
  readonly #child: ChildProcess;
  readonly #reader: LogReader;
  #killedAt: number | undefined;

  constructor(options: CrewOptions, place: number, incarnation: number) {
    this.worker = `w${place}.${incarnation}`;
    this.place = place;
    const logPath = join(options.folder, `${this.worker}.jsonl`);
    const launch = options.launch(place);
    const seed = options.seed + 1_000 * place + incarnation;
    const settings: WorkerSettings = {
      ...options.settings,
      worker: this.worker,
      url: launch.url,
      seed,
      logPath,
    };
    const flags = ["--disable-warning=ExperimentalWarning"];
    const command = [process.execPath, ...flags, program, JSON.stringify(settings)] as const;
    const [file, ...parameters] = launch.through?.(command) ?? command;
    this.#child = spawn(file, parameters, {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...launch.environment },
    });
    this.#child.on("error", (error) => {
      this.errors += String(error);
    });
    this.#child.stderr?.on("data", (text: Buffer) => {
      this.errors += text.toString("utf8");
    });
    this.#reader = openLogReader(logPath);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isAlive(): boolean {
    const { exitCode, signalCode, pid } = this.#child;
    return exitCode === null && signalCode === null && pid !== undefined && this.#killedAt === undefined;
  }

  get events(): WorkerLog["events"] {
    return this.#reader.read();
  }

  get log(): WorkerLog {
    const { worker, place, events } = this;
    const killedAt = this.#killedAt;
    return killedAt === undefined ? { worker, place, events } : { worker, place, events, killedAt };
  }

  get readyAt(): number | undefined {
    return this.events.find(({ event }) => event === "ready")?.at;
  }

  progressAfter(since: number): number | undefined {
    return this.events.find((event) => event.at > since && isProgress(event))?.at;
  }

  async kill(at: number): Promise<void> {
    this.#killedAt = at;
    await this.#endBy("SIGKILL");
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGSTOP");
    await untilStopped(this.pid);
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  settle(): void {
    if (this.isAlive) this.#child.send("settle", () => undefined); // It may end in this very moment.
  }

  /** Stops it in order; one that does not stop is killed, and remembered. */
  async end(timeoutMs: number): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.#child, "exit");
    this.#child.send("stop", () => undefined); // It may end in this very moment.
    const patience = AbortSignal.timeout(timeoutMs);
    const tooLate = once(patience, "abort").then(() => {
      this.isStubborn = true;
    });
    await Promise.race([gone, tooLate]);
    await this.#endBy("SIGKILL");
  }

  async remove(): Promise<void> {
    await this.#endBy("SIGKILL");
    this.#reader[Symbol.dispose]();
  }

  async #endBy(signal: "SIGKILL"): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }
}
