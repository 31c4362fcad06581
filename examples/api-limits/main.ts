// Four instances of an API that share one limit, to the exact request: `node examples/api-limits/main.ts`
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** What each client may do in an hour. */
const hourlyLimit = 100;
const instancesCount = 4;
const requestsEach = 100;
/** Requests that are on their way to one instance at the same time. */
const senders = 10;
const folder = mkdtempSync(join(tmpdir(), "leasehold-api-limits-"));
const { values } = parseArgs({ options: { url: { type: "string" } } });
const url = values.url ?? `sqlite:${join(folder, "limits.db")}`;
/** Of this run alone: another one over the same store has limits of its own. */
const namespace = `api-limits-${process.pid}-${Date.now()}`;

// Whatever ends this process, no instance and no file outlives it.
const children: ChildProcess[] = [];
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** What one instance answered. */
interface Answered {
  readonly port: number;
  readonly statuses: Map<number, number>;
}

async function startInstance(): Promise<number> {
  const child = fork(join(import.meta.dirname, "instance.ts"), [url, namespace, String(hourlyLimit)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  children.push(child);
  const [port] = (await Promise.race([once(child, "message"), failed(child)])) as [number];
  return port;
}

async function failed(child: ChildProcess): Promise<never> {
  await once(child, "exit");
  throw new Error(`an instance ended with ${child.exitCode ?? child.signalCode}`);
}

const ask = (port: number, client: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/`, { headers: { "x-api-key": client } });

/** Sends as fast as the instance answers. */
async function load(port: number, client: string): Promise<Answered> {
  const statuses = new Map<number, number>();
  let left = requestsEach;
  const send = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const response = await ask(port, client);
      await response.arrayBuffer();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: senders }, send));
  return { port, statuses };
}

async function show(port: number, client: string): Promise<void> {
  const response = await ask(port, client);
  console.log(`${client}, after that: ${response.status}`);
  for (const name of ["RateLimit-Policy", "RateLimit", "Retry-After", "Content-Type"]) {
    const value = response.headers.get(name);
    if (value !== null) console.log(`  ${name}: ${value}`);
  }
  console.log(`  ${(await response.text()).trim()}`);
}

const ports = await Promise.all(Array.from({ length: instancesCount }, startInstance));
console.log(`${ports.length} instances limit each client to ${hourlyLimit} requests an hour, over ${url}`);
const startedAt = performance.now();
const answered = await Promise.all(ports.map((port) => load(port, "client-a")));
const seconds = (performance.now() - startedAt) / 1_000;

const count = (status: number): number =>
  answered.reduce((sum, { statuses }) => sum + (statuses.get(status) ?? 0), 0);
console.log("instance    200   429");
for (const { port, statuses } of answered) {
  const cells = [200, 429].map((status) => String(statuses.get(status) ?? 0).padStart(6)).join("");
  console.log(`:${String(port).padEnd(8)}${cells}`);
}
console.log(
  `all      ${[200, 429].map((status) => String(count(status)).padStart(6)).join("")}   in ${seconds.toFixed(2)} s`,
);
await show(ports[0] ?? 0, "client-a");
await show(ports[1] ?? 0, "client-b");

const ended = children.map((child) => once(child, "exit"));
for (const child of children) child.disconnect();
await Promise.all(ended);
const isClean = children.every(({ exitCode }) => exitCode === 0);
const isExact = count(200) === hourlyLimit && count(429) === instancesCount * requestsEach - hourlyLimit;
console.log(
  `${isExact && isClean ? "✓" : "✗"} of ${instancesCount * requestsEach} requests, ${count(200)} were let through`,
);
process.exitCode = isExact && isClean ? 0 : 1;
