// A small HTTP service in three instances, of which one leads. `npm run demo:leader`, or `-- --ttl 5000`.
//
//   instance.ts   the service: what you would copy. Answers /health, and leads when it is its turn.
//   duty.ts       what only the leader may do, guarded by fences: a late leader is refused.
//   main.ts       the demo: starts three instances, kills the leader with SIGKILL, ends the next one with SIGTERM, and
//                 asks each /health who leads, and since when.
//
// Leases and duty are SQLite files in a temporary folder. For several machines, change the URL: nothing else.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { openDuty, refuses } from "./duty.ts";
import { askHealth, type Health, type Leader } from "./health.ts";
import { type InstanceProcess, startInstance } from "./instance-process.ts";

const usageExitCode = 64;
const lookAgainMs = 25;
/** Longer than any takeover, on a busy machine too. */
const patienceMs = 60_000;

const ttlMs = readTtl();
const folder = mkdtempSync(join(tmpdir(), "leasehold-leader-"));
const dutyPath = join(folder, "duty.db");
const url = `sqlite:${pathToFileURL(join(folder, "leases.db")).pathname}`;
const startedAtMs = performance.now();
const instances: InstanceProcess[] = [];
process.once("exit", () => {
  for (const instance of instances) instance.signal("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

await run();

async function run(): Promise<void> {
  say(`three instances of one service over ${url}; a lease lasts ${ttlMs / 1_000} s`);
  for (const name of ["alpha", "bravo", "charlie"]) {
    const instance = await startInstance({ name, url, ttlMs, dutyPath });
    instances.push(instance);
    say(`${name} is process ${instance.pid}: ${instance.healthUrl}`);
  }
  const first = await whoLeads(instances);

  const killed = instanceOf(first);
  const killedAtMs = performance.now();
  killed.signal("SIGKILL");
  await killed.ended;
  say(`SIGKILL: ${killed.name} is dead. Its lease must run out before anybody else may lead.`);
  const second = await whoLeads(without(killed));
  say(`${second.name} took over, ${secondsSince(killedAtMs)} after the kill`);

  const ended = instanceOf(second);
  const endedAtMs = performance.now();
  ended.signal("SIGTERM");
  const exitCode = await ended.ended;
  say(`SIGTERM: ${ended.name} gives up the lead, and ends with exit code ${exitCode}`);
  const third = await whoLeads(without(killed, ended));
  say(`${third.name} leads ${secondsSince(endedAtMs)} after that, without waiting for a lease to run out`);
  const last = instanceOf(third);
  last.signal("SIGTERM");
  await last.ended;

  using duty = openDuty(dutyPath);
  const leaders = [first, second, third];
  const deeds = duty.audit();
  const fences = deeds.map(({ fence }) => fence);
  const findings = [
    [new Set(leaders.map(({ name }) => name)).size === 3, "three instances led, one after the other"],
    [isRising(leaders.map(({ term }) => term)), "each with a larger term than the one before"],
    [isSorted(fences), `${deeds.length} counts, none of an earlier leader after one of a later`],
    [leaders.every(({ term }) => fences.includes(term)), "every leader counted"],
    [refuses(duty, first.term), `a late count of ${first.name}, term ${first.term}, would be refused`],
  ] as const;
  for (const [holds, text] of findings) console.log(`${holds ? "✓" : "✗ FAILED:"} ${text}`);
  process.exitCode = findings.every(([holds]) => holds) ? 0 : 1;
}

/** Asks until all of them name one leader, who is among them and says so itself. */
async function whoLeads(alive: readonly InstanceProcess[]): Promise<Leader> {
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs) {
    const pages = await Promise.all(alive.map(({ healthUrl }) => askHealth(healthUrl)));
    const leader = agreed(pages);
    if (leader !== null) {
      for (const page of pages) if (page !== null) say(`  ${page.instance}/health: ${described(page)}`);
      return leader;
    }
    await sleep(lookAgainMs);
  }
  throw new Error(`nobody leads after ${seconds(patienceMs)}`);
}

function agreed(pages: readonly (Health | null)[]): Leader | null {
  const leader = pages.find((page) => page?.isLeading)?.leader;
  if (leader == null) return null;
  const isAgreed = pages.every(
    (page) => page?.leader?.term === leader.term && page.isLeading === (page.instance === leader.name),
  );
  return isAgreed ? leader : null;
}

function described({ isLeading, leader, count }: Health): string {
  const since = leader?.since.slice(11, 23);
  return `${isLeading ? "I lead" : `${leader?.name} leads`} since ${since}, term ${leader?.term}, count ${count}`;
}

function instanceOf({ name }: Leader): InstanceProcess {
  const instance = instances.find((candidate) => candidate.name === name);
  if (instance === undefined) throw new Error(`${name} leads, and is none of the instances`);
  return instance;
}

function without(...gone: readonly InstanceProcess[]): readonly InstanceProcess[] {
  return instances.filter((instance) => !gone.includes(instance));
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0));
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function secondsSince(ms: number): string {
  return seconds(performance.now() - ms);
}

function say(text: string): void {
  console.log(`${seconds(performance.now() - startedAtMs).padStart(8)}  ${text}`);
}

function readTtl(): number {
  try {
    const { values } = parseArgs({ options: { ttl: { type: "string", default: "2000" } } });
    const ttl = /^\d+$/.test(values.ttl) ? Number(values.ttl) : Number.NaN;
    if (ttl >= 500 && ttl <= 60_000) return ttl;
    throw new RangeError("--ttl must be a whole number of milliseconds from 500 to 60000");
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    process.exit(usageExitCode);
  }
}
