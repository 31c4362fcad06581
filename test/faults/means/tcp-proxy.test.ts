// Goal: each fault of the TCP proxy really happens, to bare TCP, to NATS and to DynamoDB alike, and ends when it is
// healed; nothing of it stays behind.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { connect as connectToNats, type NatsConnection } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { localDynamodbSettings, waitUntil } from "../../servers/index.ts";
import { sharedServers } from "../../servers/shared.ts";
import { type TcpProxy, type TcpProxyOptions, tcpProxy } from "./tcp-proxy.ts";

const host = "127.0.0.1";

/** A server that remembers what it got and answers with the same. */
async function echo() {
  const received: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      received.push(bytes);
      socket.write(bytes);
    });
  }).listen(0, host);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    received: () => Buffer.concat(received).toString(),
    sockets,
  };
}

async function before(port: number, options?: TcpProxyOptions): Promise<TcpProxy> {
  const proxy = await tcpProxy({ host, port }, options);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A client that remembers what it got and how it ended. */
async function client(port: number) {
  const socket = connect({ port, host, noDelay: true });
  onTestFinished(() => void socket.destroy());
  const received: Buffer[] = [];
  let failure: string | undefined;
  socket.on("error", (error: NodeJS.ErrnoException) => {
    failure = error.code;
  });
  await once(socket, "connect");
  socket.on("data", (bytes) => received.push(bytes));
  return {
    socket,
    received: () => Buffer.concat(received).toString(),
    failure: () => failure ?? null,
  };
}

function until<T>(what: string, check: () => T | null): Promise<T> {
  return waitUntil(async () => check(), { timeoutMs: 10_000, intervalMs: 5, what });
}

const same = (read: () => string, wanted: string) => () => (read() === wanted ? true : null);

test("a new proxy changes nothing, whatever the size and however many connections", async () => {
  const { port } = await echo();
  const proxy = await before(port);
  const sent = Buffer.alloc(3_000_000, "leasehold");
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = connect({ port: proxy.port, host });
      socket.write(sent);
      const answer: Buffer[] = [];
      for await (const bytes of socket) {
        answer.push(bytes as Buffer);
        if (answer.reduce((sum, { length }) => sum + length, 0) === sent.length) socket.end();
      }
      return Buffer.concat(answer);
    }),
  );
  for (const answer of answers) expect(answer.equals(sent)).toBe(true);
  const closed = () => (proxy.counters.openConnections === 0 ? true : null);
  await until("the connections to end", closed);
  expect(proxy.counters).toEqual({
    connections: 20,
    openConnections: 0,
    forwardedRequestBytes: 60_000_000,
    forwardedReplyBytes: 60_000_000,
    swallowedRequestBytes: 0,
    swallowedReplyBytes: 0,
  });
});

test("a client that does not read holds back the server: the proxy does not fill the memory", async () => {
  let written = 0;
  const server = createServer((socket) => {
    const piece = Buffer.alloc(65_536);
    socket.on("error", () => socket.destroy());
    // As much as it is taken, and never an end.
    const write = () => {
      while (socket.write(piece)) written += piece.length;
    };
    socket.on("drain", write);
    write();
  }).listen(0, host);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const proxy = await before((server.address() as AddressInfo).port);
  const socket = connect({ port: proxy.port, host });
  onTestFinished(() => void socket.destroy());
  socket.pause();
  let last = -1;
  await waitUntil(
    async () => {
      const stands = written === last;
      last = written;
      return stands && written > 0 ? true : null;
    },
    { timeoutMs: 10_000, intervalMs: 200, what: "the server to be held back" },
  );
  // What the kernel's buffers of both connections take, and what the proxy keeps itself.
  expect(written).toBeLessThan(32_000_000);
});

test("a delay makes each direction that much slower, and jitter keeps the order", async () => {
  const { port } = await echo();
  const proxy = await before(port, { random: () => 0.5 });
  const { socket, received } = await client(proxy.port);
  proxy.delay(60, 80);
  const startedAt = performance.now();
  const words = Array.from({ length: 50 }, (_, index) => `${index};`);
  for (const word of words) socket.write(word);
  await until("the echo", same(received, words.join("")));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(199);

  proxy.delay(3_600_000);
  socket.write("late");
  // A round trip past the proxy gives it the time to take the request, and to keep it.
  const beside = await client(port);
  beside.socket.write("x");
  await until("the echo beside", same(beside.received, "x"));
  await proxy.heal();
  await until("the echo after the delay was ended", same(received, `${words.join("")}late`));
  expect(() => proxy.delay(Number.NaN)).toThrow("must be 0 ms or more");
});

test("cut resets both sides, and new connections are welcome", async () => {
  const { port, sockets } = await echo();
  const proxy = await before(port);
  const first = await client(proxy.port);
  first.socket.write("first");
  await until("the echo", same(first.received, "first"));
  proxy.cut();
  expect(await until("the reset", first.failure)).toBe("ECONNRESET");
  await until("the end of the server's side", () => (sockets[0]?.closed ? true : null));
  const second = await client(proxy.port);
  second.socket.write("second");
  await until("the echo", same(second.received, "second"));
});

test("refuse turns new connections away, keeps old ones, and heal welcomes them again", async () => {
  const { port } = await echo();
  const proxy = await before(port);
  const old = await client(proxy.port);
  await proxy.refuse();
  await expect(client(proxy.port)).rejects.toThrow("ECONNREFUSED");
  old.socket.write("still");
  await until("the echo", same(old.received, "still"));
  await proxy.halfOpen();
  await client(proxy.port);
  await proxy.heal();
  const fresh = await client(proxy.port);
  fresh.socket.write("again");
  await until("the echo", same(fresh.received, "again"));
});

test("half open, nothing passes and nothing is closed; all of it arrives when that is over", async () => {
  const { port, received } = await echo();
  const proxy = await before(port);
  const old = await client(proxy.port);
  old.socket.write("a");
  await until("the echo", same(old.received, "a"));
  await proxy.halfOpen();
  old.socket.write("b");
  const fresh = await client(proxy.port);
  // This client gives up, and its request arrives all the same.
  fresh.socket.end("c");
  // There is no event for nothing: a connection past the proxy gives the bytes every chance to come through.
  const beside = await client(port);
  beside.socket.write("x");
  await until("the echo beside", same(beside.received, "x"));
  expect(received()).toBe("ax");
  expect([old.failure(), fresh.failure(), proxy.counters.openConnections]).toEqual([null, null, 2]);
  await proxy.heal();
  await until(
    "the late echoes",
    same(() => old.received() + fresh.received(), "abc"),
  );
  expect(proxy.counters.swallowedRequestBytes + proxy.counters.swallowedReplyBytes).toBe(0);
});

test("swallowed replies: the server got the request, and heal resets what has a hole", async () => {
  const { port, received } = await echo();
  const proxy = await before(port);
  const spoilt = await client(proxy.port);
  const idle = await client(proxy.port);
  await proxy.swallowReplies();
  spoilt.socket.write("applied");
  await until("the request", same(received, "applied"));
  await until("the lost reply", () => (proxy.counters.swallowedReplyBytes === 7 ? true : null));
  expect([spoilt.received(), spoilt.failure()]).toEqual(["", null]);
  await proxy.heal();
  expect(await until("the reset", spoilt.failure)).toBe("ECONNRESET");
  idle.socket.write("well");
  await until("the echo of the connection that lost nothing", same(idle.received, "well"));
});

test("swallowed requests never come to the server, not even after heal", async () => {
  const { port, received, sockets } = await echo();
  const proxy = await before(port);
  const spoilt = await client(proxy.port);
  await until("the server's side", () => (sockets.length === 1 ? true : null));
  await proxy.swallowRequests();
  spoilt.socket.write("lost");
  await until("the lost request", () => (proxy.counters.swallowedRequestBytes === 4 ? true : null));
  sockets[0]?.write("of its own");
  await until("what the server sends of its own", same(spoilt.received, "of its own"));
  await proxy.heal();
  expect(await until("the reset", spoilt.failure)).toBe("ECONNRESET");
  expect(received()).toBe("");
});

test("the end of a stream travels behind its bytes, each direction for itself; a dead server resets", async () => {
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.end(`got ${(await buffer(socket)).toString()}`);
  }).listen(0, host);
  await once(server, "listening");
  const proxy = await before((server.address() as AddressInfo).port);
  const polite = connect({ port: proxy.port, host, allowHalfOpen: true });
  polite.end("everything");
  expect((await buffer(polite)).toString()).toBe("got everything");
  await new Promise((resolve) => server.close(resolve));
  const late = await client(proxy.port);
  expect(await until("the reset", late.failure)).toBe("ECONNRESET");
});

test("close resets every connection, whatever the fault, and frees the port", async () => {
  for (const fault of ["refuse", "halfOpen", "swallowReplies", "swallowRequests"] as const) {
    const { port } = await echo();
    const proxy = await before(port);
    const clients = await Promise.all([client(proxy.port), client(proxy.port)]);
    proxy.delay(3_600_000);
    for (const { socket } of clients) socket.write("never");
    await proxy[fault]();
    await proxy.close();
    expect(proxy.counters.openConnections).toBe(0);
    for (const { failure } of clients) expect(await until("the reset", failure)).toBe("ECONNRESET");
    await expect(client(proxy.port)).rejects.toThrow("ECONNREFUSED");
  }
});

async function natsClient(url: string): Promise<NatsConnection> {
  const connection = await connectToNats({ servers: url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
  onTestFinished(() => connection.close());
  return connection;
}

test("NATS over swallowed replies has applied the write, over swallowed requests it has not", async () => {
  const target = new URL(sharedServers().nats.url);
  const proxy = await before(Number(target.port), { protocol: "nats" });
  const direct = await natsClient(target.href);
  const spoilt = await natsClient(proxy.url);
  const name = `means-${randomUUID()}`;
  const ask = async (subject: string, body: object | string = "") => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return (await direct.request(`$JS.API.STREAM.${subject}.${name}`, text)).json<{
      error?: object;
      state?: { messages: number };
    }>();
  };
  expect((await ask("CREATE", { name, subjects: [name] })).error).toBeUndefined();
  onTestFinished(async () => {
    await ask("DELETE");
  });
  const messages = async () => (await ask("INFO")).state?.messages;

  await proxy.swallowReplies();
  await expect(spoilt.request(name, "applied", { timeout: 300 })).rejects.toThrow(/timeout/i);
  await until("the lost reply", () => (proxy.counters.swallowedReplyBytes > 0 ? true : null));
  expect(await messages()).toBe(1);
  await proxy.swallowRequests();
  await expect(spoilt.request(name, "lost", { timeout: 300 })).rejects.toThrow(/timeout/i);
  await proxy.heal();
  // The connection had a hole and was reset; the client comes back by itself.
  await waitUntil(() => spoilt.request(name, "after", { timeout: 500 }), {
    timeoutMs: 10_000,
    intervalMs: 20,
    what: "the client to be back",
  });
  expect(await messages()).toBe(2);
});

test("DynamoDB over swallowed replies has applied the write, over swallowed requests it has not", async () => {
  const endpoint = sharedServers().dynamodb.url;
  const proxy = await before(Number(new URL(endpoint).port), { protocol: "http" });
  const options = { ...localDynamodbSettings, maxAttempts: 1 };
  const direct = new DynamoDBClient({ ...options, endpoint });
  const spoilt = new DynamoDBClient({ ...options, endpoint: proxy.url });
  onTestFinished(() => {
    direct.destroy();
    spoilt.destroy();
  });
  const TableName = `means-${randomUUID()}`;
  const create = new CreateTableCommand({
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
  });
  await direct.send(create);
  const put = (key: string, abortSignal?: AbortSignal) =>
    spoilt.send(new PutItemCommand({ TableName, Item: { k: { S: key } } }), abortSignal && { abortSignal });
  /** A put whose caller gives up as soon as something of it was lost. */
  const lose = async (key: string, lostBytes: () => number) => {
    const giveUp = new AbortController();
    const failing = expect(put(key, giveUp.signal)).rejects.toThrow(/abort/i);
    await until("the loss", () => (lostBytes() > 0 ? true : null));
    giveUp.abort();
    await failing;
  };
  const has = async (key: string) => {
    const found = await direct.send(
      new GetItemCommand({ TableName, Key: { k: { S: key } }, ConsistentRead: true }),
    );
    return found.Item !== undefined;
  };
  await put("before");
  await proxy.swallowReplies();
  await lose("applied", () => proxy.counters.swallowedReplyBytes);
  await proxy.swallowRequests();
  await lose("lost", () => proxy.counters.swallowedRequestBytes);
  await proxy.heal();
  await put("after");
  const found = await Promise.all(["before", "applied", "lost", "after"].map(has));
  expect(found).toEqual([true, true, false, true]);
});
