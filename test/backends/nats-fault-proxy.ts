import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What happens around one published message. */
export type NatsFault =
  /** The server applies it, `meanwhile` runs, and its answer is swallowed; the connection stays. */
  | { readonly kind: "loseAnswer"; readonly meanwhile?: () => Promise<unknown> }
  /** The server applies it, `meanwhile` runs, and the connection is cut before the answer. */
  | { readonly kind: "cutAfter"; readonly meanwhile?: () => Promise<unknown> }
  /** The connection is cut, and the server never sees it. */
  | { readonly kind: "cutBefore" };

/** Stands between one client and a NATS server, and spoils the requests that it is told to. */
export interface NatsFaultProxy extends AsyncDisposable {
  readonly url: string;
  /** Subjects of what clients published, in order. */
  readonly seen: readonly string[];
  /** Spoils the next message published on this subject; several are used up in order. */
  next(subject: string, ...faults: readonly NatsFault[]): void;
  /** How many faults were not used up. */
  readonly pending: number;
}

/** Starts a proxy before the server at `target`, on a port of its own. */
export async function natsFaultProxy(target: string): Promise<NatsFaultProxy> {
  const { hostname, port } = new URL(target);
  const queues = new Map<string, NatsFault[]>();
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    const cut = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      // Faults and killed servers break connections; the other side then learns of it by the end of its own.
      socket.on("error", cut).on("close", cut);
    }
    const awaited = new Map<string, Exclude<NatsFault, { kind: "cutBefore" }>>();
    client.on(
      "data",
      splitFrames(({ words, bytes }) => {
        const [verb, subject = "", ...rest] = words;
        if (verb === "PUB" || verb === "HPUB") {
          seen.push(subject);
          const fault = queues.get(subject)?.shift();
          if (fault?.kind === "cutBefore") return cut();
          if (fault !== undefined) awaited.set(rest[0] ?? "", fault);
        }
        server.write(bytes);
      }),
    );
    server.on(
      "data",
      splitFrames(({ words, bytes }) => {
        const isMessage = words[0] === "MSG" || words[0] === "HMSG";
        const fault = isMessage ? awaited.get(words[1] ?? "") : undefined;
        if (fault === undefined) return void client.write(bytes);
        const over = Promise.resolve(fault.meanwhile?.());
        if (fault.kind === "cutAfter") void over.then(cut);
      }),
    );
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `nats://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    seen,
    next(subject, ...faults) {
      queues.set(subject, [...(queues.get(subject) ?? []), ...faults]);
    },
    get pending() {
      return [...queues.values()].reduce((sum, { length }) => sum + length, 0);
    },
    async [Symbol.asyncDispose]() {
      const closed = once(proxy, "close");
      proxy.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Frame {
  /** The control line. */
  readonly words: readonly string[];
  /** All of it, its payload included. */
  readonly bytes: Buffer;
}

const withPayload = new Set(["PUB", "HPUB", "MSG", "HMSG"]);

/** Takes chunks of NATS's protocol and hands out whole frames, so that one of them can be left out. */
function splitFrames(deliver: (frame: Frame) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const lineEnd = rest.indexOf("\r\n");
      if (lineEnd < 0) return;
      const words = rest.subarray(0, lineEnd).toString("latin1").split(" ");
      const payload = withPayload.has(words[0] ?? "") ? Number(words.at(-1)) + 2 : 0;
      const end = lineEnd + 2 + payload;
      if (rest.length < end) return;
      const bytes = rest.subarray(0, end);
      rest = rest.subarray(end);
      deliver({ words, bytes });
    }
  };
}
