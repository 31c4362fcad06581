// Goal: hosts of a test's network can't reach those they are parted from, and nobody else is concerned; a NATS
// cluster on them does what a cluster does; nothing stays behind, not even when its process is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { connect } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { waitUntil } from "../../servers/index.ts";
import { natsCluster } from "../../servers/nats-cluster.ts";
import { runCommand } from "../../servers/run-command.ts";
import { missing, type NetworkHost, type TestNetwork, testNetwork } from "./network-namespace.ts";
import { titled } from "./not-run.ts";
import { crash } from "./processes.ts";

const reason = await missing();
const port = 7_000;

/** Listens, and when it is told an address tells whether it was answered from there, or how it failed. */
const program = `
const { connect, createServer } = require("node:net");
createServer((socket) => socket.on("error", () => socket.destroy()).pipe(socket)).listen(${port}, "0.0.0.0", () =>
  console.log("listening"));
require("node:readline").createInterface(process.stdin).on("line", (address) => {
  const socket = connect(${port}, address);
  const tell = (what) => { console.log(what); socket.destroy(); };
  socket.setTimeout(1000, () => tell("silence"));
  socket.on("error", ({ code }) => tell(code)).on("data", () => tell("reached"));
  socket.write("?");
});
`;

interface Station {
  /** "reached", "silence", or the code of an error. */
  reach(address: string): Promise<string>;
}

async function station(child: ChildProcess): Promise<Station> {
  onTestFinished(() => crash(child.pid as number));
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("listening");
  return {
    async reach(address) {
      child.stdin?.write(`${address}\n`);
      return (await lines.next()).value ?? "ended";
    },
  };
}

async function ownNetwork(size: number): Promise<TestNetwork> {
  const network = await testNetwork({ size });
  onTestFinished(() => network.close());
  return network;
}

/** What `ip` knows of networks of this process or another one. */
async function traces(pid: number): Promise<readonly string[]> {
  const namespaces = await runCommand(["ip", "netns", "list"]);
  const links = await runCommand(["ip", "-o", "link", "show"]);
  const found = `${namespaces.stdout}${links.stdout}`.split("\n");
  return found.filter(
    (line) => line.includes(`leasehold-${pid}-`) || line.includes(` lh-${pid.toString(36)}-`),
  );
}

test("a network has hosts, and not too many", async () => {
  for (const size of [0, 33, Number.NaN]) {
    await expect(testNetwork({ size })).rejects.toThrow("1 to 32 hosts");
  }
});

describe.skipIf(reason !== undefined)(titled("a network of namespaces", reason), () => {
  test("parts the hosts that it is told to, one way or both, and nobody else, until it heals", async () => {
    const network = await ownNetwork(3);
    const [a, b, c] = network.hosts as [NetworkHost, NetworkHost, NetworkHost];
    const start = (host: NetworkHost) => station(host.start([process.execPath, "-e", program]));
    const outside = await station(spawn(process.execPath, ["-e", program]));
    const [atA, atB, atC] = [await start(a), await start(b), await start(c)];
    const reached = async () => ({
      ab: await atA.reach(b.address),
      ba: await atB.reach(a.address),
      ac: await atA.reach(c.address),
      cb: await atC.reach(b.address),
      outsideA: await outside.reach(a.address),
      bOutside: await atB.reach(network.address),
    });
    const yes = "reached";
    const no = "silence";
    const all = { ab: yes, ba: yes, ac: yes, cb: yes, outsideA: yes, bOutside: yes };
    expect(await reached()).toEqual(all);
    await network.partition([a, "outside"], [b]);
    expect(await reached()).toEqual({ ...all, ab: no, ba: no, bOutside: no });
    await network.heal();
    expect(await reached()).toEqual(all);
    await network.lose([c], [b], 1);
    expect(await reached()).toEqual({ ...all, cb: no });
    await network.heal();
    // Whichever way is blocked, no connection comes about: the answers are lost.
    await network.block([a], ["outside"]);
    expect(await reached()).toEqual({ ...all, outsideA: no });
    await expect(network.partition([a], [a])).rejects.toThrow("on both sides");
  });

  test("a connection outlives a partition, and what was sent meanwhile arrives", async () => {
    const network = await ownNetwork(1);
    const [host] = network.hosts as [NetworkHost];
    await station(host.start([process.execPath, "-e", program]));
    const { connect: connectTo } = await import("node:net");
    const socket = connectTo(port, host.address);
    onTestFinished(() => void socket.destroy());
    let received = "";
    socket.on("data", (bytes) => {
      received += bytes;
    });
    const has = (wanted: string) =>
      waitUntil(async () => (received === wanted ? true : null), {
        timeoutMs: 15_000,
        intervalMs: 10,
        what: `the echo of ${wanted}`,
      });
    socket.write("before ");
    await has("before ");
    await network.partition([host], ["outside"]);
    socket.write("meanwhile");
    const fresh = await station(spawn(process.execPath, ["-e", program]));
    expect(await fresh.reach(host.address)).toBe("silence");
    expect(received).toBe("before ");
    await network.heal();
    await has("before meanwhile");
  });

  test("a NATS leader that is parted from its cluster takes no write; the others do, and it catches up", {
    timeout: 120_000,
  }, async () => {
    const network = await ownNetwork(3);
    const cluster = await natsCluster({ hosts: network.hosts });
    onTestFinished(() => cluster.close());
    const ask = async (urls: readonly string[], subject: string, body = "") => {
      const connection = await connect({ servers: [...urls] });
      try {
        return (await connection.request(subject, body, { timeout: 1_000 })).json<{
          readonly seq?: number;
          readonly state?: { readonly messages: number };
        }>();
      } finally {
        await connection.close();
      }
    };
    const stream = { name: "kept", subjects: ["kept"], num_replicas: 3, storage: "file" };
    await ask(cluster.urls, "$JS.API.STREAM.CREATE.kept", JSON.stringify(stream));
    const leader = await cluster.streamLeader("kept");
    const isolated = network.hosts.filter(({ address }) => leader.url.includes(`//${address}:`));
    const majority = network.hosts.filter((host) => !isolated.includes(host));
    const majorityUrls = cluster.urls.filter((url) => url !== leader.url);
    expect([isolated.length, majority.length]).toEqual([1, 2]);

    await network.partition(isolated, majority);
    // Clients still reach it, and it still thinks that it leads.
    await expect(ask([leader.url], "kept", "lost")).rejects.toThrow(/timeout|responders/i);
    expect((await cluster.streamLeader("kept")).url).not.toBe(leader.url);
    const taken = await waitUntil(async () => (await ask(majorityUrls, "kept", "taken")).seq ?? null, {
      timeoutMs: 60_000,
      intervalMs: 100,
      what: "the majority to take a write",
    });
    await network.heal();
    await cluster.untilHealthy();
    expect((await cluster.streamLeader("kept")).url).not.toBe(leader.url);
    // For some seconds the old one may still answer as if it led.
    await waitUntil(
      async () => (await ask([leader.url], "$JS.API.STREAM.INFO.kept")).state?.messages === taken || null,
      { timeoutMs: 60_000, intervalMs: 100, what: "the old leader to know what was written" },
    );
  });

  test("close leaves nothing behind, and ends what still runs there", async () => {
    const network = await testNetwork({ size: 2 });
    const child = (network.hosts[0] as NetworkHost).start(["sleep", "1000"]);
    const ended = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
    await waitUntil(
      async () => (await runCommand(["ip", "netns", "pids", network.hosts[0]?.name ?? ""])).stdout || null,
      { timeoutMs: 10_000, intervalMs: 10, what: "the command to have entered its namespace" },
    );
    expect(await traces(process.pid)).toHaveLength(5);
    await network.close();
    expect(await ended).toBe("SIGKILL");
    expect(await traces(process.pid)).toEqual([]);
  });

  test("a killed test's network goes with it, and what is left of one at the next start", async () => {
    const url = new URL("network-namespace.ts", import.meta.url).href;
    const killed = `
      import { testNetwork } from ${JSON.stringify(url)};
      await testNetwork({ size: 2 });
      console.log("made");
      process.stdin.resume();
    `;
    const options = ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "-e", killed];
    const child = spawn(process.execPath, options, { stdio: ["pipe", "pipe", "inherit"] });
    expect((await createInterface(child.stdout)[Symbol.asyncIterator]().next()).value).toBe("made");
    const pid = child.pid as number;
    expect(await traces(pid)).not.toEqual([]);
    await crash(pid);
    await waitUntil(async () => ((await traces(pid)).length === 0 ? true : null), {
      timeoutMs: 15_000,
      intervalMs: 50,
      what: "the network of the killed process to be removed",
    });

    await runCommand(["ip", "netns", "add", `leasehold-${pid}-1-1`]);
    await runCommand(["ip", "link", "add", `lh-${pid.toString(36)}-1`, "type", "bridge"]);
    await ownNetwork(1);
    expect(await traces(pid)).toEqual([]);
  });
});
