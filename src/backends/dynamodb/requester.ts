import type * as Dynamodb from "@aws-sdk/client-dynamodb";
import type { RequestOptions } from "../../core/backend.ts";
import { ClosedError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Failure } from "./failure.ts";
import { failureToError } from "./failure-to-error.ts";
import type { DynamodbClient, Settings } from "./options.ts";
import { ordinaryRetries, type RetryLimits, retry, urgentRetries } from "./retry.ts";
import { loadSdk } from "./sdk.ts";

/** The requests that leasehold makes, with the shapes of their inputs and outputs. */
interface Requests {
  BatchGetItem: [Dynamodb.BatchGetItemCommandInput, Dynamodb.BatchGetItemCommandOutput];
  BatchWriteItem: [Dynamodb.BatchWriteItemCommandInput, Dynamodb.BatchWriteItemCommandOutput];
  CreateTable: [Dynamodb.CreateTableCommandInput, Dynamodb.CreateTableCommandOutput];
  DeleteItem: [Dynamodb.DeleteItemCommandInput, Dynamodb.DeleteItemCommandOutput];
  DescribeTable: [Dynamodb.DescribeTableCommandInput, Dynamodb.DescribeTableCommandOutput];
  DescribeTimeToLive: [Dynamodb.DescribeTimeToLiveCommandInput, Dynamodb.DescribeTimeToLiveCommandOutput];
  GetItem: [Dynamodb.GetItemCommandInput, Dynamodb.GetItemCommandOutput];
  PutItem: [Dynamodb.PutItemCommandInput, Dynamodb.PutItemCommandOutput];
  Query: [Dynamodb.QueryCommandInput, Dynamodb.QueryCommandOutput];
  Scan: [Dynamodb.ScanCommandInput, Dynamodb.ScanCommandOutput];
  TransactGetItems: [Dynamodb.TransactGetItemsCommandInput, Dynamodb.TransactGetItemsCommandOutput];
  TransactWriteItems: [Dynamodb.TransactWriteItemsCommandInput, Dynamodb.TransactWriteItemsCommandOutput];
  UpdateContinuousBackups: [
    Dynamodb.UpdateContinuousBackupsCommandInput,
    Dynamodb.UpdateContinuousBackupsCommandOutput,
  ];
  UpdateItem: [Dynamodb.UpdateItemCommandInput, Dynamodb.UpdateItemCommandOutput];
  UpdateTimeToLive: [Dynamodb.UpdateTimeToLiveCommandInput, Dynamodb.UpdateTimeToLiveCommandOutput];
}

type Name = keyof Requests;

/** How a request travels, and who looks at it. */
export interface SendOptions extends RequestOptions {
  /** Called with each command before it is sent. */
  readonly observe?: (command: object) => void;
}

interface SendingClient {
  send(command: object, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  readonly config?: {
    readonly region?: () => Promise<string>;
    readonly endpoint?: () => Promise<{ protocol?: string; hostname?: string; port?: number }>;
  };
}

/** How often a read that got no answer is sent again. */
const unansweredReadsMax = 2;

const reads: ReadonlySet<Name> = new Set<Name>([
  "BatchGetItem",
  "DescribeTable",
  "DescribeTimeToLive",
  "GetItem",
  "Query",
  "Scan",
  "TransactGetItems",
]);

/** Sends requests: one time limit for each, refusals repeated, failures classified, none after `close`. */
export class Requester {
  /** What the first contact tells of the table may change the layout. */
  settings: Settings;
  readonly #client: SendingClient;
  readonly #urgentClient: SendingClient;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  #where = "";

  constructor(settings: Settings, client: DynamodbClient, urgentClient: DynamodbClient) {
    this.settings = settings;
    this.#client = client as unknown as SendingClient;
    this.#urgentClient = urgentClient as unknown as SendingClient;
  }

  get runtime(): Runtime {
    return this.settings.runtime;
  }

  /** Fires when the backend is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Sends one request and gives its answer. What was refused for the moment is sent again, and so is a read that
   * got no answer, a bounded number of times.
   *
   * @throws Failure
   * @throws ClosedError
   */
  request<N extends Name>(name: N, input: Requests[N][0], options?: SendOptions): Promise<Requests[N][1]> {
    const urgent = options?.urgent === true;
    const limits: RetryLimits = urgent ? urgentRetries : ordinaryRetries;
    let unanswered = 0;
    const again = (error: unknown): boolean => {
      if (!(error instanceof Failure)) return false;
      // A caller waits for this: no second time limit, and no retries on top of those of the client itself.
      if (error.kind === "busy") return !error.ambiguous;
      return (
        error.kind === "unknown" && reads.has(name) && !error.timedOut && ++unanswered <= unansweredReadsMax
      );
    };
    const client = urgent ? this.#urgentClient : this.#client;
    const action = () => this.#track(this.#attempt(client, name, input, options?.observe));
    return retry(this.runtime, limits, action, again, this.#closing.signal);
  }

  /** Region and endpoint, for messages: as {@link where} found them. */
  get place(): string {
    return this.#where;
  }

  /** The error to throw for a failed request. */
  toError(
    error: unknown,
    operation: Name,
    about: { key?: string; sentBefore?: boolean; table?: string } = {},
  ): Error {
    const write = !reads.has(operation);
    return failureToError(error, {
      ...{ operation, write, table: this.settings.table, where: this.#where },
      ...about,
    });
  }

  /** Region and endpoint, for messages. @throws whatever the client throws when it has no Region. */
  async where(): Promise<string> {
    const region = await this.#client.config?.region?.();
    const endpoint = await this.#client.config?.endpoint?.();
    const port = endpoint?.port === undefined ? "" : `:${endpoint.port}`;
    const address =
      endpoint === undefined ? "" : `, endpoint ${endpoint.protocol}//${endpoint.hostname}${port}`;
    this.#where = `Region ${region ?? "unknown"}${address}`;
    return this.#where;
  }

  /** Ends retries, waits for what is under way (each is bounded by the time limit), and refuses what comes later. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#underWay);
  }

  async #attempt<N extends Name>(
    client: SendingClient,
    name: N,
    input: Requests[N][0],
    observe: SendOptions["observe"],
  ): Promise<Requests[N][1]> {
    const sdk = await loadSdk();
    if (this.#closing.signal.aborted) throw new ClosedError("the dynamodb backend is closed");
    const command = new (sdk[`${name}Command`] as new (input: object) => object)(input);
    observe?.(command);
    const { promise: limit, resolve: limitReached } = Promise.withResolvers<symbol>();
    const aborter = new AbortController();
    const cancel = this.runtime.schedule(this.settings.requestTimeoutMs, () => {
      limitReached(timeLimit);
      aborter.abort();
    });
    try {
      const answer = client.send(command, { abortSignal: aborter.signal });
      // A client that ignores the signal must not hold the caller up, nor fail unheard afterwards.
      const first = await Promise.race([limit, answer]);
      if (first !== timeLimit) return first as Requests[N][1];
      answer.catch(() => undefined);
    } catch (error) {
      throw new Failure(error, aborter.signal.aborted);
    } finally {
      cancel();
    }
    const message = `no answer within ${this.settings.requestTimeoutMs} ms`;
    throw new Failure(Object.assign(new Error(message), { name: "TimeoutError" }), true);
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#underWay.add(settled);
    void settled.then(() => this.#underWay.delete(settled));
    return work;
  }
}

const timeLimit = Symbol("time limit");
