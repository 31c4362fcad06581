import type { Duration } from "../../core/durations.ts";
import { describe, parseDuration } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { type Runtime, systemRuntime } from "../../core/runtime.ts";
import { defaultAttributes, type ItemLayout, itemLayout } from "./item-layout.ts";
import { checkedTableOptions, type TableOptions } from "./table-options.ts";

/**
 * What leasehold needs of a client: a `DynamoDBClient` of `@aws-sdk/client-dynamodb` or a
 * `DynamoDBDocumentClient` of `@aws-sdk/lib-dynamodb`. Described by its shape, so that any copy or version of the
 * SDK fits.
 */
export interface DynamodbClient {
  send(command: never, options?: never): Promise<unknown>;
}

/** Names of the attributes of an item. All of them must differ. */
export interface AttributeNames {
  /** Partition key, a string. Default: `pk`. */
  readonly key: string;
  /** The value, binary. Default: `d`. */
  readonly value: string;
  /** The version, a string; `<version>1` to `<version>3` hold the ones before it. Default: `v`. */
  readonly version: string;
  /** When DynamoDB may collect the item, epoch seconds: the table's TTL attribute. Default: `x`. */
  readonly expiry: string;
  /** The sum of a counter. Default: `n`. */
  readonly sum: string;
  /** The first two segments of the key, where the table has an index for listings. Default: `g`. */
  readonly group: string;
}

/** Options of `dynamodbBackend`. */
export interface DynamodbBackendOptions {
  /** Stays open when the backend is closed. Best made with `maxAttempts: 1`: leasehold retries by itself. */
  readonly client: DynamodbClient;
  /** Carries heartbeats, so that ordinary traffic cannot queue before them. Default: `client`. */
  readonly heartbeatClient?: DynamodbClient;
  /** Name or ARN of the table. Default: `leasehold`. */
  readonly table?: string;
  readonly attributes?: Partial<AttributeNames>;
  /** How `setup()` makes the table if it is missing. */
  readonly create?: TableOptions;
  /**
   * Name of a global secondary index by which listings read the keys they are about, in order, and not the whole table.
   * `setup()` makes it with the table, and enters what was written before. Default: none.
   */
  readonly listIndex?: string;
  /** Whether `setup()` turns the table's TTL on where it is off. Default: true. */
  readonly timeToLive?: boolean;
  /**
   * Accept a global table with eventual consistency, whose Regions do not see each other's conditions. Only
   * safe while every process works in one and the same Region. Default: false.
   */
  readonly allowEventualGlobalTable?: boolean;
  /** How long one request may take, a user's client's own retries included; 50 ms to 60 s. Default: 1.5 s. */
  readonly requestTimeout?: Duration;
  readonly runtime?: Runtime;
}

/** {@link DynamodbBackendOptions} with every default filled in. */
export interface Settings {
  readonly table: string;
  readonly layout: ItemLayout;
  readonly create: TableOptions;
  readonly listIndex: string | undefined;
  readonly timeToLive: boolean;
  readonly allowEventualGlobalTable: boolean;
  readonly requestTimeoutMs: number;
  readonly runtime: Runtime;
}

/** The table's name when none is given. */
export const defaultTable = "leasehold";

/** @throws InvalidArgumentError for an option that cannot work. */
export function resolveOptions(options: Omit<DynamodbBackendOptions, "client">): Settings {
  const { table = defaultTable, attributes = {}, create = {}, requestTimeout = 1_500 } = options;
  if (!/^([A-Za-z0-9_.-]{3,255}|arn:[-:/.\w]+)$/.test(table)) {
    throw new InvalidArgumentError(
      `table must be 3 to 255 characters [A-Za-z0-9_.-] or an ARN; got ${describe(table)}`,
    );
  }
  const { listIndex } = options;
  if (listIndex !== undefined && !/^[A-Za-z0-9_.-]{3,255}$/.test(listIndex)) {
    throw new InvalidArgumentError(
      `listIndex must be 3 to 255 characters [A-Za-z0-9_.-]; got ${describe(listIndex)}`,
    );
  }
  return {
    table,
    layout: itemLayout({ ...defaultAttributes, ...attributes }, listIndex !== undefined),
    listIndex,
    create: checkedTableOptions(create),
    timeToLive: options.timeToLive ?? true,
    allowEventualGlobalTable: options.allowEventualGlobalTable ?? false,
    requestTimeoutMs: parseDuration("requestTimeout", requestTimeout, { minMs: 50, maxMs: 60_000 }),
    runtime: options.runtime ?? systemRuntime,
  };
}
