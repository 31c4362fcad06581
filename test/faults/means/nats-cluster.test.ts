// Goal: the NATS cluster of the fault tests is a real one: streams are on all servers, leaders change when they are
// told to, are killed or freeze, and a killed server comes back with what it had.
import { randomUUID } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type TestServer, waitUntil } from "../../servers/index.ts";
import { type NatsCluster, natsCluster } from "../../servers/nats-cluster.ts";

let cluster: NatsCluster;
beforeAll(async () => {
  cluster = await natsCluster();
}, 120_000);
afterAll(() => cluster?.close());

/** A connection that leaves a server only if that one breaks it. */
async function client(servers: readonly string[]) {
  const connection = await connect({
    servers: [...servers],
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
  onTestFinished(() => connection.close());
  return connection;
}

async function replicatedStream(): Promise<string> {
  const name = `means-${randomUUID()}`;
  const connection = await client(cluster.urls);
  const config = JSON.stringify({ name, subjects: [name], num_replicas: 3, storage: "file" });
  const created = await connection.request(`$JS.API.STREAM.CREATE.${name}`, config, { timeout: 10_000 });
  expect(created.json<{ error?: object }>().error).toBeUndefined();
  return name;
}

/** Writes until it is taken; gives the sequence. */
async function write(urls: readonly string[], subject: string): Promise<number> {
  const connection = await client(urls);
  return waitUntil(
    async () =>
      (await connection.request(subject, "x", { timeout: 500 })).json<{ seq?: number }>().seq || null,
    { timeoutMs: 30_000, intervalMs: 50, what: `${subject} to take a write` },
  );
}

const others = (server: TestServer) => cluster.urls.filter((url) => url !== server.url);

test("three servers, each with the same stream; clients are not told of the others", async () => {
  const stream = await replicatedStream();
  expect(new Set(cluster.urls).size).toBe(3);
  const connection = await client([cluster.urls[0] as string]);
  const info = connection.info as { readonly connect_urls?: readonly string[] } | undefined;
  expect(info?.connect_urls ?? []).toEqual([]);
  const report = (await connection.request(`$JS.API.STREAM.INFO.${stream}`)).json<{
    cluster: { replicas: object[] };
  }>();
  expect(report.cluster.replicas).toHaveLength(2);
});

test("a step-down changes the leader of a stream, and of the cluster", async () => {
  const stream = await replicatedStream();
  const before = await cluster.streamLeader(stream);
  const after = await cluster.stepDown(stream);
  expect(after.url).not.toBe(before.url);
  expect((await cluster.streamLeader(stream)).url).toBe(after.url);
  const metaBefore = await cluster.metaLeader();
  expect((await cluster.stepDownMeta()).url).not.toBe(metaBefore.url);
}, 120_000);

test("the others go on without a killed leader, and it comes back on its port with what it missed", async () => {
  const stream = await replicatedStream();
  expect(await write(cluster.urls, stream)).toBe(1);
  const leader = await cluster.streamLeader(stream);
  await leader.kill();
  expect(leader.pid).toBeNull();
  const sequence = await write(others(leader), stream);
  expect(sequence).toBeGreaterThanOrEqual(2);
  expect((await cluster.streamLeader(stream)).url).not.toBe(leader.url);
  await leader.restart();
  await cluster.untilHealthy();
  expect(await write([leader.url], stream)).toBeGreaterThan(sequence);
}, 120_000);

test("a frozen leader is replaced; it goes on as a follower", async () => {
  const stream = await replicatedStream();
  const leader = await cluster.streamLeader(stream);
  await leader.pause();
  const sequence = await write(others(leader), stream);
  await leader.resume();
  await cluster.untilHealthy();
  expect((await cluster.streamLeader(stream)).url).not.toBe(leader.url);
  expect(await write([leader.url], stream)).toBeGreaterThan(sequence);
}, 120_000);

test("close leaves no process and no folder", async () => {
  const pids = cluster.servers.map(({ pid }) => pid as number);
  await cluster.close();
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  // The logs stood in the folders.
  expect(await Promise.all(cluster.servers.map((server) => server.log()))).toEqual(["", "", ""]);
}, 60_000);

test("a cluster of one, or with too few hosts or folders, is refused", async () => {
  await expect(natsCluster({ size: 1 })).rejects.toThrow("2 servers or more");
  await expect(natsCluster({ storeFolders: ["one"] })).rejects.toThrow("as many hosts and folders");
});
