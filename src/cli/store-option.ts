import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { type ConnectOptions, type Coordinator, connect } from "../index.ts";
import { absoluteUrl, sqliteUrl, stateFolder } from "./default-store.ts";
import { usageError } from "./failure.ts";

/** The options of every command that uses a store, as commander answers them. */
export interface StoreOptions {
  readonly url?: string;
  readonly namespace?: string;
}

/** Which store is meant, after looking everywhere. */
export interface Store {
  /** Means the same in every working directory. */
  readonly url: string;
  readonly namespace: string | undefined;
  /** What a command that is started needs to use the same store. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Adds `--url` and `--namespace` to a command. */
export function addStoreOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "-u, --url <url>",
        "the store: sqlite:FILE, nats://HOST:4222/BUCKET or dynamodb://REGION/TABLE; else LEASEHOLD_URL; else a " +
          "SQLite file in your state folder, shared by all that you run on this machine",
      ),
    )
    .addOption(
      new Option(
        "-n, --namespace <name>",
        "keeps the names of one application apart from another's; else LEASEHOLD_NAMESPACE",
      ),
    );
}

/**
 * Finds the store: option, then environment, then the user's own SQLite file, whose folder is created.
 *
 * @throws CommandFailure (64) for `memory:`, which no two commands can share.
 */
export function findStore(options: StoreOptions, environment: NodeJS.ProcessEnv): Store {
  const given = options.url ?? (environment.LEASEHOLD_URL || undefined);
  const namespace = options.namespace ?? (environment.LEASEHOLD_NAMESPACE || undefined);
  if (given?.startsWith("memory:")) {
    throw usageError(
      "the store memory: lives inside one process, so two commands can never meet in it; use for example " +
        "sqlite:./leasehold.db",
    );
  }
  if (given !== undefined && !/^(sqlite|nats|tls|dynamodb):/.test(given)) {
    throw usageError(
      "--url (or LEASEHOLD_URL) must be like sqlite:./leasehold.db, nats://127.0.0.1:4222/bucket, tls://... or " +
        `dynamodb://eu-west-1/table; got ${JSON.stringify(given)}`,
    );
  }
  const url = given === undefined ? defaultUrl(environment) : absoluteUrl(given, process.cwd());
  return {
    url,
    namespace,
    environment: { LEASEHOLD_URL: url, ...(namespace !== undefined && { LEASEHOLD_NAMESPACE: namespace }) },
  };
}

function defaultUrl(environment: NodeJS.ProcessEnv): string {
  const folder = stateFolder({ platform: process.platform, home: homedir(), environment });
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw usageError(
      `the folder of the default store, ${folder}, cannot be created (${(error as NodeJS.ErrnoException).code}); name ` +
        "another store with --url or LEASEHOLD_URL, or set XDG_STATE_HOME to a folder that can be written",
    );
  }
  return sqliteUrl(join(folder, "leasehold.db"));
}

/** Connects to the store. */
export function connectToStore(store: Store, options: ConnectOptions): Promise<Coordinator> {
  const { url, namespace } = store;
  return connect(url, { ...options, ...(namespace !== undefined && { namespace }) });
}

/** A URL for messages. */
export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/]*@/, "//");
}
