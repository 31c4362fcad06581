import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What an instance is told when it starts. */
export interface InstanceSettings {
  readonly name: string;
  /** The store of the leases. */
  readonly url: string;
  readonly ttlMs: number;
  readonly dutyPath: string;
}

/** A running instance, as the demo sees it. */
export interface InstanceProcess {
  readonly name: string;
  readonly pid: number;
  readonly healthUrl: string;
  /** `SIGKILL`: it dies at once. `SIGTERM`: it gives up the lead and ends. */
  signal(signal: "SIGKILL" | "SIGTERM"): void;
  /** Resolves once it has ended, with its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

const program = fileURLToPath(new URL("./instance.ts", import.meta.url));

/** Starts an instance, and waits until it answers requests. */
export async function startInstance(settings: InstanceSettings): Promise<InstanceProcess> {
  const child = fork(program, [JSON.stringify(settings)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const started = once(child, "message").then(([message]) => (message as { port: number }).port);
  const port = await Promise.race([started, ended.then(() => null)]);
  if (port === null) throw new Error(`instance ${settings.name} ended before it answered requests`);
  return {
    name: settings.name,
    pid: child.pid ?? 0,
    healthUrl: `http://127.0.0.1:${port}/health`,
    signal: (signal) => void child.kill(signal),
    ended,
  };
}
