// One instance of the service. All of them are the same program: they answer requests, and one of them leads.
// Copy this file. What is told to `process.send` is for the demo.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Leadership, LeaseholdError } from "../../src/index.ts";
import { openDuty } from "./duty.ts";
import type { Health, Leader } from "./health.ts";
import type { InstanceSettings } from "./instance-process.ts";

const { name, url, ttlMs, dutyPath }: InstanceSettings = JSON.parse(process.argv[2] ?? "");
const beatMs = 50;
const pauseMs = 100;

const stopping = new AbortController();
for (const reason of ["SIGTERM", "SIGINT", "disconnect"]) process.once(reason, () => stopping.abort());
// Who started it was gone before anybody listened.
if (process.send !== undefined && !process.connected) stopping.abort();

using duty = openDuty(dutyPath);
await using coordinator = await connect(url, { ttl: ttlMs, clientName: name });
const election = coordinator.election("leader");
let isLeading = false;

const server = createServer(({ url: path }, response) => {
  if (path === "/health") void answerHealth(response);
  else response.writeHead(404).end("there is only /health\n");
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
process.send?.({ port });

await standAgainAndAgain();
server.close();
server.closeAllConnections();
if (process.connected) process.disconnect();

/** Waits for its turn to lead, leads, and when that is over stands again, until the process is told to stop. */
async function standAgainAndAgain(): Promise<void> {
  while (!stopping.signal.aborted) {
    try {
      // The value is for everybody to read: where the leader can be reached.
      const value = `http://127.0.0.1:${port}`;
      await election.lead(lead, { identity: name, value, signal: stopping.signal });
    } catch (error) {
      if (stopping.signal.aborted) return;
      // A lease that was lost, a write that a later leader's fence refused, a store out of reach: none of them is the end.
      if (!(error instanceof LeaseholdError)) throw error;
      await sleep(pauseMs);
    }
  }
}

/** What the leader does. When it ends, or this process does, the next in line leads. */
async function lead(leadership: Leadership): Promise<void> {
  // It aborts when the lease is lost, or this process shall stop. Then `sleep` rejects, and `lead` resigns.
  const { signal } = leadership;
  isLeading = true;
  try {
    duty.claim(leadership);
    while (true) {
      duty.perform(leadership, name);
      await sleep(beatMs, undefined, { signal });
    }
  } finally {
    isLeading = false;
  }
}

async function answerHealth(response: ServerResponse): Promise<void> {
  try {
    const health: Health = { instance: name, isLeading, leader: await findLeader(), count: duty.count() };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(health));
  } catch (error) {
    // Not healthy, and not dead.
    response.writeHead(503).end(`${(error as Error).message}\n`);
  }
}

async function findLeader(): Promise<Leader | null> {
  const leader = await election.leader();
  if (leader === null) return null;
  const { identity, value, since, term } = leader;
  return { name: identity, address: String(value), since: since.toISOString(), term };
}
