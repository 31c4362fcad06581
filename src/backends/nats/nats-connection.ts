/**
 * What leasehold needs of a NATS connection. Connections of `nats` 2.x and of `@nats-io/transport-node` 3.x both
 * fit; neither package's types are named here, so that neither has to be installed to use the other.
 */
export interface NatsConnection {
  /** What the server said of itself; present once connected. */
  readonly info?: NatsServerInfo | undefined;
  /** Sends a request and waits for its one answer. */
  request(subject: string, payload?: Uint8Array, options?: NatsRequestOptions): Promise<NatsMessage>;
  /** Sends a message and waits for nothing. */
  publish(subject: string, payload?: Uint8Array, options?: NatsPublishOptions): void;
  /** Delivers messages to a callback until `unsubscribe()`. */
  subscribe(subject: string, options: NatsSubscribeOptions): { unsubscribe(): void };
  /** Resolves once the server has seen everything that was sent before. */
  flush(): Promise<void>;
  /** Ends the connection. */
  close(): Promise<void>;
  /** Whether the connection ended for good. */
  isClosed(): boolean;
  /** Reports, among other things, `disconnect` and `reconnect`. */
  status(): AsyncIterable<{ readonly type: string }>;
}

/** The part of a server's greeting that leasehold reads. */
export interface NatsServerInfo {
  readonly version: string;
  /** Largest message with its headers, in bytes. */
  readonly max_payload: number;
  readonly jetstream?: boolean;
}

/** Options of {@link NatsConnection.publish}. */
export interface NatsPublishOptions {
  // biome-ignore lint/suspicious/noExplicitAny: each client has its own header class; both only call encode().
  headers?: any;
}

/** Options of {@link NatsConnection.request}. */
export interface NatsRequestOptions extends NatsPublishOptions {
  /** Milliseconds. */
  timeout: number;
}

/** Options of {@link NatsConnection.subscribe}. */
export interface NatsSubscribeOptions {
  // biome-ignore lint/suspicious/noExplicitAny: each client has its own error class.
  callback: (error: any, message: NatsMessage) => void;
}

/** A message as both clients deliver it. */
export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: { get(name: string): string } | undefined;
}
