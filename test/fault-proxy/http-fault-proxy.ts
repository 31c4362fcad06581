import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to one request. */
export type Fault =
  /** `meanwhile` runs and the connection is cut; the server never sees the request. */
  | { readonly kind: "dropBefore"; readonly meanwhile?: () => Promise<unknown> }
  /** The server applies the request, `meanwhile` runs, and the connection is cut. */
  | { readonly kind: "dropAfter"; readonly meanwhile?: () => Promise<unknown> }
  /** The server applies the request, `meanwhile` runs, and another answer is given. */
  | { readonly kind: "answerAfter"; readonly answer: Answer; readonly meanwhile?: () => Promise<unknown> }
  /** An answer is given; the server never sees the request. */
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The server applies the request, and no answer ever comes. */
  | { readonly kind: "hangAfter" }
  /** The server gets the request when `until` resolves, whoever still waits for it by then. */
  | { readonly kind: "delay"; readonly until: Promise<unknown>; readonly landed: () => void }
  /** The server's own answer, changed. */
  | { readonly kind: "rewrite"; readonly change: (body: Record<string, unknown>) => object };

/** An answer in DynamoDB's protocol. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Stands between a client and DynamoDB, counts requests and spoils those it is told to. */
export interface HttpFaultProxy extends AsyncDisposable {
  readonly url: string;
  /** The operations seen so far, such as `PutItem`, in order. */
  readonly seen: readonly string[];
  /** The bodies of the requests of {@link HttpFaultProxy.seen}. */
  readonly bodies: readonly string[];
  /** Spoils the next request of this operation; several are used up in order. */
  next(operation: string, ...faults: readonly Fault[]): void;
  /** Spoils every request of this operation that `next` does not; null ends that. */
  always(operation: string, fault: Fault | null): void;
  /** Forgets what was seen. */
  forget(): void;
}

/** An error answer as DynamoDB gives it. */
export function dynamodbError(name: string, status = 400, details: object = {}): Answer {
  return {
    status,
    body: {
      __type: `com.amazonaws.dynamodb.v20120810#${name}`,
      message: `${name} made by a test`,
      ...details,
    },
  };
}

/** Starts a proxy before the DynamoDB at `target`, on a port of its own. */
export async function httpFaultProxy(target: string): Promise<HttpFaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const queues = new Map<string, Fault[]>();
  const standing = new Map<string, Fault>();
  const seen: string[] = [];
  const bodies: string[] = [];

  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await bodyOf(incoming);
      const operation = String(incoming.headers["x-amz-target"]).split(".").at(-1) ?? "";
      seen.push(operation);
      bodies.push(body.toString("utf8"));
      const fault = queues.get(operation)?.shift() ?? standing.get(operation) ?? null;
      await handle(fault, () => forward(target, agent, incoming, body), outgoing);
    })().catch((error: unknown) => outgoing.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    bodies,
    next(operation, ...faults) {
      queues.set(operation, [...(queues.get(operation) ?? []), ...faults]);
    },
    always(operation, fault) {
      if (fault === null) standing.delete(operation);
      else standing.set(operation, fault);
    },
    forget() {
      seen.length = 0;
      bodies.length = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
}

interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

async function handle(
  fault: Fault | null,
  forwarded: () => Promise<Reply>,
  outgoing: ServerResponse,
): Promise<void> {
  if (fault === null) return answer(outgoing, await forwarded());
  switch (fault.kind) {
    case "dropBefore":
      await fault.meanwhile?.();
      outgoing.destroy();
      return;
    case "dropAfter":
      await forwarded();
      await fault.meanwhile?.();
      outgoing.destroy();
      return;
    case "answerAfter":
      await forwarded();
      await fault.meanwhile?.();
      return answer(outgoing, encode(fault.answer));
    case "answer":
      return answer(outgoing, encode(fault.answer));
    case "hangAfter":
      await forwarded();
      return;
    case "delay":
      await fault.until;
      await forwarded();
      fault.landed();
      return;
    case "rewrite": {
      const reply = await forwarded();
      const body = fault.change(JSON.parse(reply.body.toString("utf8")) as Record<string, unknown>);
      return answer(outgoing, encode({ status: reply.status, body }));
    }
  }
}

function encode({ status, body }: Answer): Reply {
  return { status, body: Buffer.from(JSON.stringify(body)) };
}

function answer(outgoing: ServerResponse, { status, body }: Reply): void {
  outgoing.writeHead(status, { "content-type": "application/x-amz-json-1.0", "content-length": body.length });
  outgoing.end(body);
}

function forward(target: string, agent: Agent, incoming: IncomingMessage, body: Buffer): Promise<Reply> {
  const { host: _, connection: __, ...headers } = incoming.headers;
  return new Promise((resolve, reject) => {
    const onward = request(target, { agent, method: "POST", path: incoming.url, headers }, (reply) => {
      bodyOf(reply).then((received) => resolve({ status: reply.statusCode ?? 0, body: received }), reject);
    });
    onward.once("error", reject);
    onward.end(body);
  });
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
