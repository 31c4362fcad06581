import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decideOnContainers } from "./container-choice.ts";
import { containerRunner } from "./container-runner.ts";
import { localRunner } from "./local-runner.ts";
import { claimPort } from "./ports.ts";
import { readNatsInfo } from "./probes.ts";
import { natsProgram } from "./programs.ts";
import type { Runner } from "./runner.ts";
import { type NatsVersion, natsImage } from "./settings.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const host = "127.0.0.1";
const containerPort = 4222;

/** Options of {@link natsServer}. */
export interface NatsServerOptions {
  /** Release line. Default: "2.15". */
  readonly version?: NatsVersion;
  /** Whether JetStream is on. Default: true. */
  readonly jetstream?: boolean;
  /**
   * Text of a configuration file: users, permissions, limits, clusters. Port, address, name and store folder
   * are given on the command line and win.
   */
  readonly config?: string;
  /** Whether it talks to other servers: then it is a program on the loopback interface, as those of a cluster are. */
  readonly talksToOthers?: boolean;
}

/**
 * Starts a NATS server of the caller's own, on a free port, with a store of its own.
 *
 * @throws Error that says what to install, or with the end of the server's log.
 */
export async function natsServer(options: NatsServerOptions = {}): Promise<TestServer> {
  const { version = "2.15", jetstream = true, config = "", talksToOthers = false } = options;
  const claim = await claimPort();
  const name = `leasehold-${randomUUID()}`;
  try {
    const inContainer = !talksToOthers && (await decideOnContainers()).use;
    const image = natsImage(version);
    const parts = { version, jetstream, config, port: claim.port, name };
    return await startTestServer({
      product: "NATS",
      origin: inContainer ? `container ${image}` : "local program",
      runner: inContainer ? await inImage(image, parts) : await asProgram(parts),
      claim,
      url: `nats://${host}:${claim.port}`,
      async probe() {
        const info = await readNatsInfo(host, claim.port);
        // Some other server may have come to this port: only the one with this name is ours.
        return info.server_name === name ? info.version : null;
      },
    });
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
}

interface Parts {
  readonly version: NatsVersion;
  readonly jetstream: boolean;
  readonly config: string;
  readonly port: number;
  readonly name: string;
}

async function asProgram({ version, jetstream, config, port, name }: Parts): Promise<Runner> {
  const program = await natsProgram(version);
  return localRunner({
    name: "nats",
    async command(folder) {
      const configFile = join(folder, "nats.conf");
      await writeFile(configFile, config);
      return [program, ...flags({ host, port, name, configFile, store: jetstream ? folder : null })];
    },
  });
}

function inImage(image: string, { jetstream, config, port, name }: Parts): Promise<Runner> {
  const configFile = "/leasehold-test.conf";
  const store = jetstream ? "/data" : null;
  return containerRunner({
    image,
    command: flags({ host: "0.0.0.0", port: containerPort, name, configFile, store }),
    containerPort,
    hostPort: port,
    files: [{ target: configFile, content: config }],
  });
}

interface Flags {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly configFile: string;
  readonly store: string | null;
}

function flags({ host, port, name, configFile, store }: Flags): string[] {
  const common = ["-a", host, "-p", String(port), "-n", name, "-c", configFile];
  return store === null ? common : [...common, "-js", "-sd", store];
}
