import {
  ClosedError,
  type LeaseholdError,
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMissingError,
  UnavailableError,
} from "../../core/errors.ts";
import { subjectPrefixOf } from "./copied-bucket.ts";
import { EncodedHeaders } from "./message-headers.ts";
import type { NatsConnection, NatsMessage } from "./nats-connection.ts";
import { type ApiError, type PublishAnswer, readPublishAnswer } from "./publish-answer.ts";
import { sortFailure } from "./request-failure.ts";
import { isRepeatable, retryNotApplied } from "./retry-not-applied.ts";

const noPayload = new Uint8Array(0);
const streamNotFound = 10059;

/** An answer of the JetStream API. */
export interface ApiAnswer {
  readonly error?: ApiError;
}

/** Talks to one bucket's stream over plain requests, and says for each failure what it means. */
export class StreamClient {
  readonly bucket: string;
  readonly stream: string;
  /** What the subject of a key begins with. A mirror has that of its origin, which opening it finds out. */
  subjectPrefix: string;
  readonly connection: NatsConnection;
  readonly #timeoutMs: number;
  #highestSequence = 0;
  #setBack: StoreMissingError | undefined;
  #connected = true;
  #closed = false;
  #watchingStatus = false;
  #endStatus: (() => void) | undefined;

  constructor(connection: NatsConnection, bucket: string, timeoutMs: number) {
    this.connection = connection;
    this.bucket = bucket;
    this.stream = `KV_${bucket}`;
    this.subjectPrefix = subjectPrefixOf(bucket);
    this.#timeoutMs = timeoutMs;
  }

  /** Whether nothing can be sent any more. */
  get isClosed(): boolean {
    return this.#closed || this.connection.isClosed();
  }

  /** Ends all further requests with a ClosedError. */
  close(): void {
    this.#closed = true;
    this.#endStatus?.();
  }

  /**
   * Publishes one message to the stream and reads the answer. Sends again only what left no trace.
   *
   * @throws OutcomeUnknownError when the message left and no answer came.
   * @throws WriteInFlightError when other writes to the subject kept this one out; nothing was applied.
   */
  async publish(subject: string, payload: Uint8Array | undefined, headers: string): Promise<PublishAnswer> {
    try {
      return await this.publishOnce(subject, payload, headers);
    } catch (error) {
      if (!isRepeatable(error)) throw error;
      return retryNotApplied(error, () => this.publishOnce(subject, payload, headers));
    }
  }

  /** As {@link publish}, one attempt. */
  async publishOnce(
    subject: string,
    payload: Uint8Array | undefined,
    headers: string,
  ): Promise<PublishAnswer> {
    this.#requireConnected();
    const timeout = this.#timeoutMs;
    const floor = this.#highestSequence;
    let answer: NatsMessage;
    try {
      answer = await requestWithoutTrace(
        this.connection,
        subject,
        payload,
        headers === "" ? { timeout } : { timeout, headers: new EncodedHeaders(headers) },
      );
    } catch (error) {
      throw await this.#writeFailure(error, subject);
    }
    const result = readPublishAnswer(this.stream, subject, answer.data);
    if (result.stored) this.#noteSequence(result.sequence, floor);
    return result;
  }

  /**
   * A message that was sent after another was acknowledged has a higher sequence. If it has not, this is not the same
   * stream any more, or it lost what it had acknowledged: versions could repeat, so nothing goes on.
   */
  #noteSequence(sequence: number, floor: number): void {
    if (sequence > this.#highestSequence) this.#highestSequence = sequence;
    if (sequence > floor) return;
    this.#setBack = new StoreMissingError(
      `the bucket ${this.bucket} went back from sequence ${floor} to ${sequence}: it was deleted and created again, or ` +
        "restored from an older state, while in use. Its former records are gone. Call setup() to go on with what is there",
    );
    throw this.#setBack;
  }

  /** Accepts the stream as it is now, after {@link StoreMissingError}. */
  startOver(): void {
    this.#setBack = undefined;
    this.#highestSequence = 0;
  }

  /** Publishes a message without asking for an answer: the leading messages of an atomic batch. */
  publishUnanswered(subject: string, payload: Uint8Array | undefined, headers: string): void {
    this.#requireConnected();
    this.connection.publish(subject, payload ?? noPayload, { headers: new EncodedHeaders(headers) });
  }

  /**
   * Asks the JetStream API about this stream, for example `STREAM.INFO`. Repeats it when the API is missing for a
   * moment.
   *
   * @throws StoreMissingError when the stream does not exist.
   */
  async ask<T extends ApiAnswer>(api: string, body: unknown): Promise<T> {
    const attempt = async () => {
      const answer = await this.askOnce<T>(api, body);
      if (answer.error !== undefined && isAbsence(answer.error)) throw this.#apiFailure(api, answer.error);
      return answer;
    };
    try {
      return await attempt();
    } catch (error) {
      if (!isRepeatable(error)) throw error;
      return retryNotApplied(error, attempt);
    }
  }

  /** As {@link ask}, one attempt, and any answer of the API is handed back. */
  async askOnce<T extends ApiAnswer>(api: string, body: unknown): Promise<T> {
    this.#requireConnected();
    const subject = `$JS.API.${api}.${this.stream}`;
    const payload = body === undefined ? noPayload : Buffer.from(JSON.stringify(body));
    try {
      const timeout = this.#timeoutMs;
      const { data } = await requestWithoutTrace(this.connection, subject, payload, { timeout });
      return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8")) as T;
    } catch (error) {
      throw this.#readFailure(error, subject);
    }
  }

  /** The error for an answer of the API that is neither a result nor one of the known refusals. */
  unexpected(api: string, error: ApiError): LeaseholdError {
    const { description = "no description", err_code: code = 0 } = error;
    return new UnavailableError(`${api} of stream ${this.stream} failed: ${description} (${code})`, {
      cause: error,
    });
  }

  #apiFailure(api: string, error: ApiError): LeaseholdError {
    if (error.err_code === streamNotFound) return this.missing();
    return this.unexpected(api, error);
  }

  missing(): StoreMissingError {
    return new StoreMissingError(
      `the bucket ${this.bucket} (stream ${this.stream}) does not exist on this NATS server or account. If it was ` +
        "there before, it was deleted, or it had memory storage and its server restarted: its records are gone. " +
        "Call setup() to create it",
    );
  }

  #requireConnected(): void {
    if (this.#closed) throw new ClosedError("this NATS backend was closed");
    if (this.connection.isClosed()) throw new ClosedError("the NATS connection was closed");
    if (!this.#watchingStatus) this.#watchStatus();
    if (this.#setBack !== undefined) throw this.#setBack;
    if (this.#connected) return;
    throw new UnavailableError("the NATS connection is down and being re-established; nothing was sent");
  }

  /**
   * Learns of a lost connection at once. Without it, what is sent meanwhile would be dropped by the client and run
   * into its timeout, and a write that never left would count as unknown.
   */
  #watchStatus(): void {
    this.#watchingStatus = true;
    const events = this.connection.status() as AsyncIterable<{ type: string }> & { stop?: () => void };
    this.#endStatus = () => events.stop?.();
    const follow = async () => {
      for await (const { type } of events) {
        if (type === "disconnect") this.#connected = false;
        if (type === "reconnect") this.#connected = true;
      }
    };
    // The stream of events ends with the connection; then isClosed() is what counts.
    follow().catch(() => {
      this.#connected = true;
    });
  }

  #readFailure(error: unknown, subject: string): LeaseholdError {
    const failure = sortFailure(error);
    if (failure.kind === "permission") return denied(failure, error);
    if (failure.kind === "no-responders") {
      return new UnavailableError(
        `nobody answers on ${subject}: JetStream is not enabled on this server or account, or it is restarting`,
        { cause: error },
      );
    }
    if (failure.kind === "not-sent") return this.#notSent(error);
    return new UnavailableError(`no answer on ${subject} within ${this.#timeoutMs} ms`, { cause: error });
  }

  async #writeFailure(error: unknown, subject: string): Promise<LeaseholdError> {
    const failure = sortFailure(error);
    if (failure.kind === "no-responders") return this.#explainNoResponders(error);
    if (failure.kind === "not-sent") return this.#notSent(error);
    if (failure.kind === "permission" && failure.operation === "publish") return denied(failure, error);
    const reason =
      failure.kind === "permission"
        ? `the answer could not be received (permission denied to subscribe to ${failure.subject})`
        : `no answer came within ${this.#timeoutMs} ms`;
    return new OutcomeUnknownError(`a write on ${subject} was sent and ${reason}; it may have been applied`, {
      cause: error,
    });
  }

  #notSent(error: unknown): LeaseholdError {
    if (this.connection.isClosed()) {
      return new ClosedError("the NATS connection was closed", { cause: error });
    }
    return new UnavailableError("the NATS client refused to send; nothing was applied", { cause: error });
  }

  /** A stream without a leader and a stream that is gone look the same to a publisher; its INFO tells. */
  async #explainNoResponders(cause: unknown): Promise<LeaseholdError> {
    const answer = await this.askOnce("STREAM.INFO", undefined);
    if (answer.error?.err_code === streamNotFound) return this.missing();
    return new UnavailableError(`stream ${this.stream} has no leader at this moment; nothing was applied`, {
      cause,
    });
  }
}

/** Answers that say that stream or API are not there, for now or for good. */
function isAbsence({ err_code: code, code: status }: ApiError): boolean {
  return code === streamNotFound || code === 10008 || code === 10009 || status === 503;
}

function denied(
  failure: { readonly operation: "publish" | "subscription"; readonly subject: string },
  cause: unknown,
): PermissionDeniedError {
  const verb = failure.operation === "publish" ? "publish to" : "subscribe to";
  return new PermissionDeniedError(
    `the NATS user may not ${verb} ${failure.subject}. docs/nats.md lists the permissions that leasehold needs`,
    { cause },
  );
}

/**
 * Sends a request without the stack traces that both clients take of each one, in case it fails: they cost more than
 * all that leasehold does for a write. The error that reaches a caller has a trace of its own.
 */
function requestWithoutTrace(
  connection: NatsConnection,
  ...request: Parameters<NatsConnection["request"]>
): Promise<NatsMessage> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return connection.request(...request);
  } finally {
    Error.stackTraceLimit = limit;
  }
}
