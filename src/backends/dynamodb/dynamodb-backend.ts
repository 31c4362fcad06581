import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type {
  AddOperation,
  Backend,
  Capabilities,
  CommitOptions,
  CommitResult,
  Operation,
  RequestOptions,
  ScanPage,
  StoredRecord,
  StoreTime,
  Unsubscribe,
} from "../../core/backend.ts";
import { describe } from "../../core/durations.ts";
import { ClosedError, InvalidArgumentError } from "../../core/errors.ts";
import { checkKey, checkOperations } from "../../core/limits.ts";
import { checkOptions } from "../../core/options.ts";
import { addToCounter } from "./add-to-counter.ts";
import { commitMany } from "./commit-many.ts";
import { SingleCommit } from "./commit-one.ts";
import { indexedKeyBytesMax, ListIndex } from "./list-index.ts";
import {
  type DynamodbBackendOptions,
  type DynamodbClient,
  resolveOptions,
  type Settings,
} from "./options.ts";
import { readRecords } from "./read-records.ts";
import { readTime } from "./read-time.ts";
import { Requester } from "./requester.ts";
import { scanRecords } from "./scan-records.ts";
import { setUpTable, type TableFacts } from "./table-setup.ts";

const kind = "dynamodb";

const capabilitiesOfOneRegion: Capabilities = {
  scope: "network",
  commitOperationsMax: 100,
  alongside: true,
  wake: false,
  watch: "none",
  orderedScan: false,
  keyBytesMax: 2_048,
  // Below DynamoDB's 400 KB for an item, with room for keys, versions and attribute names.
  valueBytesMax: 350 * 1_024,
};

const optionNames = [
  ...["client", "heartbeatClient", "table", "attributes", "create", "listIndex", "timeToLive"],
  ...["allowEventualGlobalTable", "requestTimeout", "runtime"],
];

/** A backend over a DynamoDB table, with the client that it speaks through, which may be used as it is. */
export interface DynamodbBackend extends Backend {
  /** The one that was handed in, or the one for ordinary requests that the backend of a URL has made. */
  readonly client: DynamodbClient;
  /** Name or ARN. */
  readonly table: string;
}

/**
 * The native client and the table behind a coordinator or a backend, for what leasehold has no call for. A client that
 * was made for a URL sends everything once, and ends with its coordinator.
 *
 * @typeParam Client What was handed in, where that was a `DynamoDBDocumentClient`.
 * @throws InvalidArgumentError for something over another store.
 *
 * @example
 * ```ts
 * import { DescribeTableCommand } from "@aws-sdk/client-dynamodb";
 * import { dynamodbBackendFromUrl, dynamodbClientOf } from "leasehold/dynamodb";
 * const backend = await dynamodbBackendFromUrl("dynamodb://us-east-1/leasehold?endpoint=http://127.0.0.1:8000");
 * const { client, table } = dynamodbClientOf(backend);
 * const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
 * console.log(Table?.TableName); // leasehold
 * await backend.close();
 * ```
 */
export function dynamodbClientOf<Client = DynamoDBClient>(
  of: Backend | { readonly backend: Backend },
): { readonly client: Client; readonly table: string } {
  const backend = (of as { readonly backend?: Backend } | null)?.backend ?? of;
  const { kind: found, client, table } = (backend ?? {}) as Partial<DynamodbBackend>;
  if (found === kind && table !== undefined) return { client: client as Client, table };
  throw new InvalidArgumentError(
    `dynamodbClientOf needs a coordinator or a backend over DynamoDB; got ${found ?? describe(of)}`,
  );
}

/**
 * A backend over a DynamoDB table.
 *
 * The client that is passed stays open when the backend is closed. Its table is validated before the first
 * request, and never created or re-created but by `setup()`.
 *
 * @throws InvalidArgumentError for an option that cannot work.
 *
 * @example
 * ```ts
 * import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
 * import { createCoordinator } from "leasehold";
 * import { dynamodbBackend } from "leasehold/dynamodb";
 * const client = new DynamoDBClient({ maxAttempts: 1 });
 * await using coordinator = createCoordinator(dynamodbBackend({ client, table: "leasehold" }));
 * ```
 */
export function dynamodbBackend(options: DynamodbBackendOptions): DynamodbBackend {
  checkOptions("dynamodbBackend", options, optionNames);
  const { client, heartbeatClient = client } = options;
  checkClient("client", client);
  checkClient("heartbeatClient", heartbeatClient);
  return openDynamodbBackend(resolveOptions(options), [client, heartbeatClient], () => undefined);
}

function checkClient(option: string, client: unknown): void {
  if (typeof (client as { send?: unknown } | null)?.send === "function") return;
  throw new InvalidArgumentError(
    `${option} must be a DynamoDBClient of @aws-sdk/client-dynamodb or a DynamoDBDocumentClient of ` +
      `@aws-sdk/lib-dynamodb; got ${describe(client)}`,
  );
}

/** A backend that calls `closeClients` when it is closed and nothing is under way any more. */
export function openDynamodbBackend(
  settings: Settings,
  [client, heartbeatClient]: readonly [DynamodbClient, DynamodbClient],
  closeClients: () => void,
): DynamodbBackend {
  return new TableBackend(client, new Requester(settings, client, heartbeatClient), closeClients);
}

class TableBackend implements DynamodbBackend {
  readonly kind = kind;
  readonly #client: DynamodbClient;
  readonly #requester: Requester;
  readonly #single: SingleCommit;
  readonly #listing: ListIndex;
  #capabilities = capabilitiesOfOneRegion;
  #ready: Promise<void> | undefined;
  readonly #closeClients: () => void;
  #closing: Promise<void> | undefined;

  constructor(client: DynamodbClient, requester: Requester, closeClients: () => void) {
    this.#client = client;
    this.#closeClients = closeClients;
    this.#requester = requester;
    this.#single = new SingleCommit(requester);
    this.#listing = new ListIndex(requester);
    if (requester.settings.layout.indexed) this.#limitKeys();
  }

  get client(): DynamodbClient {
    return this.#client;
  }

  get table(): string {
    return this.#requester.settings.table;
  }

  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  async setup(options: { readonly create?: boolean } = {}): Promise<void> {
    this.#assertOpen();
    const settingUp = this.#setUp(options.create ?? true);
    // Requests that come meanwhile wait for this and do not validate on their own.
    this.#ready = settingUp;
    await this.#settle(settingUp);
  }

  async get(keys: readonly string[], options?: RequestOptions): Promise<readonly (StoredRecord | null)[]> {
    for (const key of keys) checkKey(kind, this.#capabilities, key);
    await this.#whenReady();
    return readRecords(this.#requester, keys, options);
  }

  async scan(
    prefix: string,
    page: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<ScanPage> {
    await this.#whenReady();
    return scanRecords(this.#requester, this.#listing, prefix, page);
  }

  async commit(operations: readonly Operation[], options?: CommitOptions): Promise<CommitResult> {
    checkOperations(kind, this.#capabilities, operations, options);
    await this.#whenReady();
    // The first contact may have shown a table that commits one key at a time, or takes shorter ones.
    checkOperations(kind, this.#capabilities, operations, options);
    const [only] = operations;
    const alone = operations.length === 1 && (options?.alongside ?? []).length === 0;
    if (only !== undefined && alone) return this.#single.commit(only, options);
    return commitMany(this.#requester, this.#single, operations, options);
  }

  async add(key: string, delta: number, operation: AddOperation): Promise<number> {
    await this.#whenReady();
    checkKey(kind, this.#capabilities, key);
    return addToCounter(this.#requester, { key, delta, operation });
  }

  async time(): Promise<StoreTime> {
    await this.#whenReady();
    return readTime(this.#requester);
  }

  /** Reports nothing: capability `watch` is `none`. */
  watch(): Unsubscribe {
    return () => undefined;
  }

  /** Reaches nobody: capability `wake` is false. */
  wake(): void {}

  /** Hears nothing: capability `wake` is false. */
  onWake(): Unsubscribe {
    return () => undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#requester.close().then(this.#closeClients);
    return this.#closing;
  }

  async #whenReady(): Promise<void> {
    this.#assertOpen();
    this.#ready ??= this.#setUp(false);
    await this.#settle(this.#ready);
  }

  /** Waits for a set-up; one that failed is forgotten, so that the next request tries again. */
  async #settle(settingUp: Promise<void>): Promise<void> {
    try {
      await settingUp;
    } catch (error) {
      if (this.#ready === settingUp) this.#ready = undefined;
      throw error;
    }
  }

  async #setUp(create: boolean): Promise<void> {
    const { replication, index }: TableFacts = await setUpTable(this.#requester, create);
    if (replication === "strong") {
      this.#capabilities = { ...this.#capabilities, commitOperationsMax: 1, alongside: false };
    }
    const { settings } = this.#requester;
    if (index !== "none" && !settings.layout.indexed) {
      // Somebody else lists by it, and must find what is written here.
      this.#requester.settings = { ...settings, layout: { ...settings.layout, indexed: true } };
      this.#limitKeys();
    }
    if (index === "active" && create) await this.#listing.complete();
  }

  #limitKeys(): void {
    this.#capabilities = { ...this.#capabilities, keyBytesMax: indexedKeyBytesMax };
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError("the dynamodb backend is closed");
  }
}
