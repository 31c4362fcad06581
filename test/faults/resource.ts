import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type ResourceEvent, sharedNowMs } from "./history.ts";

/** What a worker asks of the resource. */
export interface ResourceRequest {
  readonly id: number;
  readonly worker: string;
  readonly name: string;
  readonly fence: number;
}

/** What the resource answers. */
export interface ResourceAnswer {
  readonly id: number;
  readonly accepted: boolean;
}

/**
 * Something outside the store that the locks protect, and that compares fences: a write with a smaller fence than it
 * has seen is refused. It listens on a socket in the file system, which a cut network does not reach.
 */
export interface Resource extends AsyncDisposable {
  /** Every write, in the order in which it was decided. */
  readonly log: readonly ResourceEvent[];
}

/** Opens a resource. `careless`: it accepts everything, to prove that the checkers notice. */
export async function openResource(socketPath: string, careless = false): Promise<Resource> {
  const log: ResourceEvent[] = [];
  const highest = new Map<string, number>();
  const sockets = new Set<Socket>();

  function decide({ worker, name, fence }: ResourceRequest): boolean {
    const seen = highest.get(name) ?? 0;
    const accepted = careless || fence >= seen;
    if (accepted) highest.set(name, Math.max(seen, fence));
    log.push({ at: sharedNowMs(), worker, name, fence, accepted });
    return accepted;
  }

  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const lines = createInterface({ input: socket });
    // A killed worker; what it wrote before counts. Both tell of the same error.
    for (const emitter of [socket, lines]) emitter.on("error", () => socket.destroy());
    lines.on("line", (line) => {
      const request = JSON.parse(line) as ResourceRequest;
      const answer: ResourceAnswer = { id: request.id, accepted: decide(request) };
      socket.write(`${JSON.stringify(answer)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  return {
    log,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
