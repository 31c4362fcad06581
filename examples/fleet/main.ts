// The demo: `npm run demo`, or `npm run demo -- --help`.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connect, InvalidArgumentError } from "../../src/index.ts";
import { type FleetArguments, readArguments, usageExitCode } from "./arguments.ts";
import { check } from "./check.ts";
import { createDisplay } from "./display.ts";
import { Fleet } from "./fleet.ts";
import { openResults } from "./results.ts";

const unavailableExitCode = 69;
const failedExitCode = 1;

const demo = readArguments(process.argv);
const folder = mkdtempSync(join(tmpdir(), "leasehold-demo-"));
// Whatever ends this process, no worker and no file outlives it.
const cleanup = new DisposableStack();
cleanup.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
process.once("exit", () => cleanup.dispose());
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => process.exit(code));
}
// Nobody reads on, as in `npm run demo | head`.
process.stdout.once("error", () => process.exit(failedExitCode));

const url = demo.url ?? `sqlite:${pathToFileURL(join(folder, "leases.db")).pathname}`;
/** Without user and password. */
const shownUrl = url.replace(/\/\/[^/@]*@/, "//…@");
const namespace = `fleet-${randomUUID()}`;
process.exitCode = (await canConnect()) ?? (await run(demo));

/** Makes the bucket, table or file before any worker needs it. Answers an exit code if that fails. */
async function canConnect(): Promise<number | undefined> {
  try {
    await using _coordinator = await connect(url, { ttl: demo.ttlMs, namespace });
    return undefined;
  } catch (error) {
    console.error(`error: cannot use ${shownUrl}: ${(error as Error).message}`);
    return error instanceof InvalidArgumentError ? usageExitCode : unavailableExitCode;
  }
}

async function run({ workers, jobs, ttlMs, jobMs }: FleetArguments): Promise<number> {
  const resultsPath = join(folder, "results.db");
  const results = cleanup.use(openResults(resultsPath));
  results.enroll(jobs);

  const display = cleanup.use(createDisplay(process.stdout, workers));
  const jobsText = jobs.length === 1 ? "1 job" : `${jobs.length} jobs`;
  display.event(`${workers} workers share ${jobsText} over ${shownUrl}; a lease lasts ${ttlMs / 1_000} s`);
  const settings = { url, namespace, ttlMs, resultsPath, jobMs };
  const fleet = cleanup.use(new Fleet({ workers, jobs, settings, display }));
  try {
    await fleet.run();
  } catch (error) {
    display.event((error as Error).message, "red");
  }

  const findings = check(jobs, results.audit(), fleet.accidents);
  display.findings(findings);
  return findings.every(({ holds }) => holds) ? 0 : failedExitCode;
}
