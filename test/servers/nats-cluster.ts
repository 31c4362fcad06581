import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { localRunner } from "./local-runner.ts";
import {
  type Account,
  type ApiAnswer,
  accounts,
  ask,
  askServer,
  orThrow,
  type ServerReport,
} from "./nats-cluster-requests.ts";
import { type ClaimedPort, claimPort } from "./ports.ts";
import { readNatsInfo } from "./probes.ts";
import { natsProgram } from "./programs.ts";
import { startTestServer, type TestServer } from "./test-server.ts";
import { waitUntil } from "./wait-until.ts";

/** Elections take 4 to 9 s each, and one may fail. */
const leaderTimeoutMs = 40_000;
const pollIntervalMs = 100;

/** A place where one server of a cluster runs: another network namespace, say. */
export interface ClusterHost {
  /** The address on which the others reach it, and this process too. */
  readonly address: string;
  /** The command that runs `command` there, in the same process. */
  command(command: readonly [string, ...string[]]): readonly [string, ...string[]];
}

/** Options of {@link natsCluster}. */
export interface NatsClusterOptions {
  /** How many servers, 2 or more. Default: 3. */
  readonly size?: number;
  /** Where they run, one for each. Default: all on the loopback interface. */
  readonly hosts?: readonly ClusterHost[];
  /** Where they store, one for each; what is there stays there. Default: temporary folders, deleted at the end. */
  readonly storeFolders?: readonly string[];
  /** Whether everything is on the disk before it is acknowledged. Default: false, as NATS itself. */
  readonly syncAlways?: boolean;
  /** More text for every server's configuration file. */
  readonly config?: string;
}

/**
 * Several NATS servers with JetStream that replicate streams, and that a test may kill, freeze and start again.
 * Clients learn of no other servers than those that they are given: none gets around a proxy.
 */
export interface NatsCluster extends AsyncDisposable {
  readonly urls: readonly string[];
  readonly servers: readonly TestServer[];
  /**
   * The leader of a stream, as most of the servers tell it: after a partition, an old one may still think that it
   * leads. It waits for an election that is under way.
   *
   * @throws Error when there is none within 40 s, as when most servers are dead, or those with the stream.
   */
  streamLeader(stream: string): Promise<TestServer>;
  /** The leader of the cluster, which places streams, as most of the servers tell it; waits for it likewise. */
  metaLeader(): Promise<TestServer>;
  /** Lets the leader of a stream hand over to another server; resolves with that one when it leads. */
  stepDown(stream: string): Promise<TestServer>;
  /** Lets the leader of the cluster hand over to another server; resolves with that one when it leads. */
  stepDownMeta(): Promise<TestServer>;
  /** Resolves when every server that is not killed says that it is healthy: it has caught up with the others. */
  untilHealthy(): Promise<void>;
  /** Ends all servers and deletes their temporary stores. */
  close(): Promise<void>;
}

/**
 * Starts a NATS cluster of the newest line, from local programs. It resolves when the cluster has a leader and takes
 * streams that are on all of its servers.
 *
 * @throws Error that says what to install, or with the end of a server's log.
 */
export async function natsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { size = 3, hosts, storeFolders, syncAlways = false, config = "" } = options;
  if (size < 2) throw new Error(`a cluster has 2 servers or more, got ${size}: natsServer() starts one`);
  for (const list of [hosts, storeFolders]) {
    if (list !== undefined && list.length !== size) {
      throw new Error(`${size} servers need as many hosts and folders, got ${list.length}`);
    }
  }
  const program = await natsProgram("2.15");
  const nodes: Node[] = [];
  const cluster = `leasehold-${randomUUID()}`;
  for (let index = 0; index < size; index++) {
    nodes.push({
      name: `${cluster}-${index + 1}`,
      host: hosts?.[index] ?? loopback,
      client: await claimPort(),
      route: await claimPort(),
      storeFolder: storeFolders?.[index],
    });
  }
  const starts = nodes.map((node) => startNode(program, node, { cluster, nodes, syncAlways, config }));
  const started = await Promise.allSettled(starts);
  const servers = started.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const running = clusterOf(
    servers,
    nodes.map(({ name }) => name),
    async () => {
      await Promise.all(servers.map((server) => server.close()));
      for (const { client, route } of nodes) {
        client[Symbol.dispose]();
        route[Symbol.dispose]();
      }
    },
  );
  try {
    for (const start of started) if (start.status === "rejected") throw start.reason;
    await running.metaLeader();
    await untilTakesStreams(servers, size);
    return running;
  } catch (error) {
    await running.close();
    throw error;
  }
}

const loopback: ClusterHost = { address: "127.0.0.1", command: (command) => command };

interface Node {
  readonly name: string;
  readonly host: ClusterHost;
  readonly client: ClaimedPort;
  readonly route: ClaimedPort;
  readonly storeFolder: string | undefined;
}

interface NodeSettings extends Required<Pick<NatsClusterOptions, "syncAlways" | "config">> {
  readonly cluster: string;
  readonly nodes: readonly Node[];
}

async function startNode(program: string, node: Node, settings: NodeSettings): Promise<TestServer> {
  const { address } = node.host;
  const { port } = node.client;
  return await startTestServer({
    product: "NATS",
    origin: "local program, one of a cluster",
    runner: await localRunner({
      name: "nats-cluster",
      async command(folder) {
        const configFile = join(folder, "nats.conf");
        await writeFile(configFile, configOf(node, settings, node.storeFolder ?? folder));
        return node.host.command([program, "-c", configFile]);
      },
    }),
    claim: node.client,
    url: `nats://${address}:${port}`,
    async probe() {
      const info = await readNatsInfo(address, port);
      return info.server_name === node.name ? info.version : null;
    },
  });
}

function configOf(node: Node, { cluster, nodes, syncAlways, config }: NodeSettings, folder: string): string {
  const routes = nodes.map(({ host, route }) => JSON.stringify(`nats://${host.address}:${route.port}`));
  const { system, clients } = accounts;
  const user = ({ user: name, pass }: { user: string; pass: string }) =>
    `users: [{ user: ${name}, password: ${pass} }]`;
  return `
    server_name: ${JSON.stringify(node.name)}
    listen: ${JSON.stringify(`${node.host.address}:${node.client.port}`)}
    jetstream { store_dir: ${JSON.stringify(folder)}${syncAlways ? ", sync_interval: always" : ""} }
    cluster {
      name: ${JSON.stringify(cluster)}
      listen: ${JSON.stringify(`${node.host.address}:${node.route.port}`)}
      no_advertise: true
      routes: [${routes.join(", ")}]
    }
    system_account: SYSTEM
    accounts {
      SYSTEM { ${user(system)} }
      CLIENTS { jetstream: enabled, ${user(clients)} }
    }
    no_auth_user: ${clients.user}
    ${config}
  `;
}

async function untilTakesStreams(servers: readonly TestServer[], size: number): Promise<void> {
  const name = `READY-${randomUUID()}`;
  const within = { timeoutMs: leaderTimeoutMs, intervalMs: pollIntervalMs };
  const stream = { name, subjects: [name], num_replicas: size, storage: "file" };
  const create = () => ask<ApiAnswer>(servers, "clients", `$JS.API.STREAM.CREATE.${name}`, stream);
  await waitUntil(async () => orThrow(await create()), { ...within, what: `a stream on ${size} servers` });
  const remove = () => ask<ApiAnswer>(servers, "clients", `$JS.API.STREAM.DELETE.${name}`);
  await waitUntil(async () => orThrow(await remove()), { ...within, what: "that stream to be deleted" });
}

/** Whom one server takes for the leader. */
type ReadLeader = (server: TestServer) => Promise<string | undefined>;

function clusterOf(
  servers: readonly TestServer[],
  names: readonly string[],
  close: () => Promise<void>,
): NatsCluster {
  const within = { timeoutMs: leaderTimeoutMs, intervalMs: pollIntervalMs };

  /** The named server, unless it is dead: then the election of its successor is still to come. */
  function named(name: string | undefined): TestServer | null {
    const server = servers[names.indexOf(name ?? "")];
    return server === undefined || server.pid === null ? null : server;
  }

  /** The leader for which more than half of all servers speak; those that don't answer speak for nobody. */
  async function elected(read: ReadLeader): Promise<TestServer | null> {
    const running = servers.filter(({ pid }) => pid !== null);
    const answers = await Promise.allSettled(running.map(read));
    const votes = answers.map((answer) => (answer.status === "fulfilled" ? named(answer.value) : null));
    const leader = votes.find((vote) => votes.filter((other) => other === vote).length * 2 > servers.length);
    return leader ?? null;
  }

  function untilLeader(what: string, read: ReadLeader, not?: TestServer): Promise<TestServer> {
    return waitUntil(
      async () => {
        const leader = await elected(read);
        return leader === not ? null : leader;
      },
      { ...within, what: `${not === undefined ? "a" : "another"} leader of ${what}` },
    );
  }

  const leaderOfStream =
    (stream: string): ReadLeader =>
    async (server) =>
      (await askServer<ApiAnswer>(server, "clients", `$JS.API.STREAM.INFO.${stream}`)).cluster?.leader;
  const leaderOfCluster: ReadLeader = async (server) => {
    const subject = (id: string) => `$SYS.REQ.SERVER.${id}.JSZ`;
    return (await askServer<ServerReport>(server, "system", subject)).data?.meta_cluster?.leader;
  };

  async function stepDown(
    what: string,
    account: Account,
    subject: string,
    read: ReadLeader,
  ): Promise<TestServer> {
    const before = await untilLeader(what, read);
    orThrow(await askServer<ApiAnswer>(before, account, subject));
    return await untilLeader(what, read, before);
  }

  return {
    urls: servers.map(({ url }) => url),
    servers,
    streamLeader: (stream) => untilLeader(stream, leaderOfStream(stream)),
    metaLeader: () => untilLeader("the cluster", leaderOfCluster),
    stepDown: (stream) =>
      stepDown(stream, "clients", `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, leaderOfStream(stream)),
    stepDownMeta: () => stepDown("the cluster", "system", "$JS.API.META.LEADER.STEPDOWN", leaderOfCluster),
    async untilHealthy() {
      const isHealthy = async (server: TestServer) => {
        const subject = (id: string) => `$SYS.REQ.SERVER.${id}.HEALTHZ`;
        return (await askServer<ServerReport>(server, "system", subject)).data?.status === "ok";
      };
      await waitUntil(
        async () => {
          const alive = servers.filter(({ pid }) => pid !== null);
          return (await Promise.all(alive.map(isHealthy))).every(Boolean) ? true : null;
        },
        { ...within, what: "all servers of the cluster to be healthy" },
      );
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
