import { connect, createServer, type Server, type Socket } from "node:net";
import { claimPort } from "../../servers/ports.ts";
import { breakConnection, type ChannelRule, type TcpChannel, tcpChannel } from "./tcp-channel.ts";

const host = "127.0.0.1";

/** The server that a proxy stands before. */
export interface TcpTarget {
  readonly host: string;
  readonly port: number;
}

/** Settings of {@link tcpProxy}. */
export interface TcpProxyOptions {
  /** What the proxy's URL begins with, such as "nats" or "http". Default: "tcp". */
  readonly protocol?: string;
  /** Numbers from 0 up to 1 for the jitter; a seeded source makes it repeatable. Default: `Math.random`. */
  readonly random?: () => number;
}

/** What went through a proxy, from its start on. */
export interface TcpProxyCounters {
  /** Connections that were accepted. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly openConnections: number;
  readonly forwardedRequestBytes: number;
  readonly forwardedReplyBytes: number;
  readonly swallowedRequestBytes: number;
  readonly swallowedReplyBytes: number;
}

/**
 * Stands between clients and one server, whatever protocol they speak, and does to their connections what networks
 * do. One fault is on at a time, for all connections alike, and a new one takes the place of the last; a delay goes
 * along with any of them. What was handed to the system before a fault began may still arrive. A fault is on when its
 * method returns; what the method promises is that new connections are accepted, or refused.
 */
export interface TcpProxy extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly counters: TcpProxyCounters;
  /** Lets every piece of data take `delayMs` in each direction, and up to `jitterMs` more. Order is kept. */
  delay(delayMs: number, jitterMs?: number): void;
  /** Resets all connections, on both sides, once; new ones are welcome. */
  cut(): void;
  /** New connections are refused, as when no server runs; those that stand go on. */
  refuse(): Promise<void>;
  /**
   * Accepts connections and data and passes nothing on, in neither direction, and closes nothing: a partition. After
   * {@link TcpProxy.heal} all of it arrives, late, also the requests of clients that have given up by then.
   */
  halfOpen(): Promise<void>;
  /** Requests go through and are applied; replies get lost, also that the server closed a connection. */
  swallowReplies(): Promise<void>;
  /** Requests get lost while the connection looks well; what the server sends of its own still arrives. */
  swallowRequests(): Promise<void>;
  /**
   * Ends every fault and the delay; resolves when new connections are accepted. Connections in which bytes got lost
   * are reset: a stream can't have a hole.
   */
  heal(): Promise<void>;
  /** Resets all connections and frees the port; resolves when nothing of it is left. */
  close(): Promise<void>;
}

type Fault = "none" | "refuse" | "halfOpen" | "swallowReplies" | "swallowRequests";

/** One connection of a client and its counterpart to the server. */
interface Link {
  readonly sockets: readonly [client: Socket, server: Socket];
  readonly channels: readonly TcpChannel[];
  hasHole: boolean;
}

/** Starts a proxy before `target`, on a port of its own of the loopback interface. */
export async function tcpProxy(target: TcpTarget, options: TcpProxyOptions = {}): Promise<TcpProxy> {
  const { protocol = "tcp", random = Math.random } = options;
  // A claimed port, so that it is still there to listen on after connections were refused.
  const claim = await claimPort();
  const links = new Set<Link>();
  const counters = {
    connections: 0,
    forwardedRequestBytes: 0,
    forwardedReplyBytes: 0,
    swallowedRequestBytes: 0,
    swallowedReplyBytes: 0,
  };
  let fault: Fault = "none";
  let delayMs = 0;
  let jitterMs = 0;
  let listener: Listener | undefined;

  function open(client: Socket): void {
    counters.connections++;
    const onward = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const channel = (from: Socket, to: Socket, kind: "Request" | "Reply") =>
      tcpChannel(from, to, {
        rule: () => ruleOf(fault, kind),
        nextDelayMs: () => (delayMs + jitterMs === 0 ? 0 : delayMs + random() * jitterMs),
        forwarded(bytes) {
          counters[`forwarded${kind}Bytes`] += bytes;
        },
        swallowed(bytes) {
          counters[`swallowed${kind}Bytes`] += bytes;
          link.hasHole = true;
        },
      });
    // The channels report only when data arrives, which is after this.
    const link: Link = {
      sockets: [client, onward],
      channels: [channel(client, onward, "Request"), channel(onward, client, "Reply")],
      hasHole: false,
    };
    links.add(link);
    for (const socket of link.sockets) {
      socket.once("close", () => {
        if (!link.sockets.every(({ closed }) => closed)) return;
        for (const each of link.channels) each.close();
        links.delete(link);
      });
    }
  }

  function cutLinks(which: (link: Link) => boolean): void {
    for (const link of links) {
      if (!which(link)) continue;
      for (const each of link.channels) each.close();
      for (const socket of link.sockets) breakConnection(socket);
    }
  }

  async function begin(next: Fault): Promise<void> {
    fault = next;
    for (const link of links) for (const each of link.channels) each.update();
    if (next === "refuse") stopListening();
    else await listen();
  }

  function listen(): Promise<void> {
    listener ??= startListening(claim.port, open);
    return listener.ready;
  }

  function stopListening(): void {
    listener?.server.close();
    listener = undefined;
  }

  async function close(): Promise<void> {
    stopListening();
    const sockets = [...links].flatMap((link) => link.sockets);
    const closed = sockets.map((socket) => new Promise((resolve) => whenClosed(socket, resolve)));
    cutLinks(() => true);
    await Promise.all(closed);
    claim[Symbol.dispose]();
  }

  try {
    await listen();
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
  return {
    url: `${protocol}://${host}:${claim.port}`,
    port: claim.port,
    get counters() {
      return { ...counters, openConnections: links.size };
    },
    delay(nextDelayMs, nextJitterMs = 0) {
      if (!(nextDelayMs >= 0 && nextJitterMs >= 0)) {
        throw new Error(
          `a delay and its jitter must be 0 ms or more, got ${nextDelayMs} and ${nextJitterMs}`,
        );
      }
      delayMs = nextDelayMs;
      jitterMs = nextJitterMs;
    },
    cut: () => cutLinks(() => true),
    refuse: () => begin("refuse"),
    halfOpen: () => begin("halfOpen"),
    swallowReplies: () => begin("swallowReplies"),
    swallowRequests: () => begin("swallowRequests"),
    async heal() {
      delayMs = 0;
      jitterMs = 0;
      cutLinks(({ hasHole }) => hasHole);
      for (const link of links) for (const each of link.channels) each.hurry();
      await begin("none");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function ruleOf(fault: Fault, kind: "Request" | "Reply"): ChannelRule {
  if (fault === "halfOpen") return "hold";
  if (fault === "swallowReplies") return kind === "Reply" ? "swallow" : "pass";
  if (fault === "swallowRequests") return kind === "Request" ? "swallow" : "pass";
  return "pass";
}

interface Listener {
  readonly server: Server;
  readonly ready: Promise<void>;
}

function startListening(port: number, open: (client: Socket) => void): Listener {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, open);
  const ready = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, resolve);
    // Closed again before it came to listen: whoever waits must not wait for ever.
    server.once("close", resolve);
  });
  return { server, ready };
}

function whenClosed(socket: Socket, then: (value: unknown) => void): void {
  if (socket.closed) then(undefined);
  else socket.once("close", then);
}
