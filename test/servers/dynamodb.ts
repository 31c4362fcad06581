import { decideOnContainers } from "./container-choice.ts";
import { containerRunner } from "./container-runner.ts";
import { localRunner } from "./local-runner.ts";
import { claimPort } from "./ports.ts";
import { answersDynamodb } from "./probes.ts";
import { dynamodbProgram } from "./programs.ts";
import type { Runner } from "./runner.ts";
import { dynamodbImage } from "./settings.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const host = "127.0.0.1";
const containerPort = 8000;
const heapMegabytes = 512;

/** Options of {@link dynamodbServer}. */
export interface DynamodbServerOptions {
  /** Whether the tables are on disk and so survive a restart. Default: false. */
  readonly persistent?: boolean;
}

/** Settings for the SDK's client that DynamoDB Local accepts: any region and credentials serve. */
export const localDynamodbSettings = {
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
} as const;

/**
 * Starts a DynamoDB Local of the caller's own, on a free port, with tables of its own.
 *
 * @throws Error that says what to install, or with the end of the server's log.
 */
export async function dynamodbServer(options: DynamodbServerOptions = {}): Promise<TestServer> {
  const { persistent = false } = options;
  const claim = await claimPort();
  try {
    const { runner, origin } = (await decideOnContainers()).use
      ? await inImage(claim.port, persistent)
      : await asProgram(claim.port, persistent);
    const url = `http://${host}:${claim.port}`;
    return await startTestServer({
      product: "DynamoDB Local",
      origin,
      runner,
      claim,
      url,
      async probe() {
        if (!(await answersDynamodb(url))) return null;
        // It goes on running, and another server answers, when its port was taken in between.
        const log = await runner.log();
        if (log.includes("Failed to bind")) throw new Error("its port is taken");
        return /^Version:\s*(\S+)/m.exec(log)?.[1] ?? "of unknown version";
      },
    });
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
}

interface Place {
  readonly runner: Runner;
  readonly origin: string;
}

async function asProgram(port: number, persistent: boolean): Promise<Place> {
  const { home, java } = await dynamodbProgram();
  const runner = await localRunner({
    name: "dynamodb",
    command: async (folder) => [
      java.program,
      `-Xmx${heapMegabytes}m`,
      `-Djava.library.path=${home}/DynamoDBLocal_lib`,
      "-jar",
      `${home}/DynamoDBLocal.jar`,
      ...flags(port, persistent ? folder : null),
    ],
  });
  return { runner, origin: `local program, Java ${java.version}` };
}

async function inImage(port: number, persistent: boolean): Promise<Place> {
  const image = dynamodbImage();
  const runner = await containerRunner({
    image,
    // The image's entry point is `java`, its working folder that of the jar.
    command: [
      `-Xmx${heapMegabytes}m`,
      "-Djava.library.path=./DynamoDBLocal_lib",
      "-jar",
      "DynamoDBLocal.jar",
      ...flags(containerPort, persistent ? "/tmp" : null),
    ],
    containerPort,
    hostPort: port,
  });
  return { runner, origin: `container ${image}` };
}

function flags(port: number, store: string | null): string[] {
  const place = store === null ? ["-inMemory"] : ["-dbPath", store];
  return [...place, "-sharedDb", "-disableTelemetry", "-port", String(port)];
}
