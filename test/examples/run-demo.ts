import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A run of the demo that has ended. */
export interface DemoRun {
  readonly code: number | null;
  readonly output: string;
  readonly complaint: string;
}

const program = fileURLToPath(new URL("../../examples/fleet/main.ts", import.meta.url));

/** Starts the demo as `npm run demo` does. Its output is no terminal. */
export function startDemo(...parameters: readonly string[]): ChildProcess {
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs the demo to its end. */
export async function runDemo(...parameters: readonly string[]): Promise<DemoRun> {
  const child = startDemo(...parameters);
  const { promise, resolve } = Promise.withResolvers<number | null>();
  let output = "";
  let complaint = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  child.on("close", resolve);
  return { code: await promise, output, complaint };
}
