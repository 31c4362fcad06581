import type { TestProject } from "vitest/node";
import { decideOnContainers } from "./container-choice.ts";
import { dynamodbServer } from "./dynamodb.ts";
import { natsServer } from "./nats.ts";
import { answersDynamodb, readNatsInfo } from "./probes.ts";
import { dynamodbUrl, type NatsVersion, natsLine, natsUrl } from "./settings.ts";
import type { SharedServer, SharedServersOutcome } from "./shared.ts";
import type { TestServer } from "./test-server.ts";
import { usesServers } from "./uses-servers.ts";

type Outcome = SharedServersOutcome[keyof SharedServersOutcome];

/**
 * Starts the servers that all tests share, says in one line which ones, and stops them at the end.
 *
 * A server that is missing fails the tests that ask for it, with the reason, and no others.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!project.vitest.state.getPaths().some((path) => usesServers(path))) {
    const missing = "the shared servers were not started: no selected test file imports test/servers";
    const none = { missing };
    project.provide("sharedServers", { nats: none, nats210: none, nats29: none, dynamodb: none });
    return async () => {};
  }

  const containers = await decideOnContainers();
  // Decided once: the test processes, which start servers of their own, must not try to pull again.
  process.env.LEASEHOLD_TEST_CONTAINERS = containers.use ? "1" : "0";

  const owned: TestServer[] = [];
  const start = async (begin: () => Promise<SharedServer | TestServer>): Promise<Outcome> => {
    try {
      const server = await begin();
      if ("close" in server) owned.push(server);
      return { url: server.url, version: server.version, description: server.description };
    } catch (error) {
      return { missing: (error as Error).message };
    }
  };
  const [nats, nats210, nats29, dynamodb] = await Promise.all([
    start(() => givenNats("2.15") ?? natsServer({ version: "2.15" })),
    start(() => givenNats("2.10") ?? natsServer({ version: "2.10" })),
    start(() => givenNats("2.9") ?? natsServer({ version: "2.9" })),
    start(() => givenDynamodb() ?? dynamodbServer()),
  ]);
  const servers: SharedServersOutcome = { nats, nats210, nats29, dynamodb };
  project.provide("sharedServers", servers);

  const outcomes = Object.entries(servers) as [string, Outcome][];
  const words = outcomes.map(([name, server]) =>
    "missing" in server ? `${name} MISSING` : server.description,
  );
  console.log(`test servers: ${words.join(", ")}`);
  if (containers.obstacle !== null) console.log(`no containers: ${containers.obstacle}`);
  for (const [, server] of outcomes) if ("missing" in server) console.error(server.missing);

  return async () => {
    await Promise.all(owned.map((server) => server.close()));
  };
}

function givenNats(version: NatsVersion): Promise<SharedServer> | null {
  const url = natsUrl(version);
  if (url === null) return null;
  const { urlVariable, accepts } = natsLine(version);
  const { hostname, port } = new URL(url);
  return readNatsInfo(hostname, Number(port || 4222)).then((info) => {
    if (!accepts(info.version)) throw new Error(`${urlVariable} is NATS ${info.version}, not ${version}`);
    return { url, version: info.version, description: `NATS ${info.version} (${urlVariable})` };
  });
}

function givenDynamodb(): Promise<SharedServer> | null {
  const url = dynamodbUrl();
  if (url === null) return null;
  return answersDynamodb(url).then((answers) => {
    if (!answers) throw new Error(`LEASEHOLD_TEST_DYNAMODB_URL=${url} does not list its tables`);
    return { url, version: "unknown", description: "DynamoDB (LEASEHOLD_TEST_DYNAMODB_URL)" };
  });
}
