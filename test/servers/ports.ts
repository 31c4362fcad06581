import { createServer, type Server } from "node:net";

const firstPort = 22_000;
const portCount = 9_000;
const claimOffset = 10_000;
const attemptsMax = 100;

/** A port that no other process using this module takes, until it is released or this process ends. */
export interface ClaimedPort extends Disposable {
  readonly port: number;
}

/**
 * Claims a free port on the loopback interface.
 *
 * The ports lie below the range from which systems take the ports of outgoing connections: there, a client
 * that reconnects in a loop to a killed server can connect to itself and so keep the server from restarting.
 * The claim is a listening socket on a second port, so it also holds while the server is down, and it ends
 * with the process however that ends.
 */
export async function claimPort(): Promise<ClaimedPort> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = firstPort + Math.floor(Math.random() * portCount);
    const claim = await listen(port - claimOffset, "127.0.0.1");
    if (claim === null) continue;
    const probe = await listen(port, "0.0.0.0");
    if (probe === null) {
      claim.close();
      continue;
    }
    await new Promise((resolve) => probe.close(resolve));
    claim.unref();
    return { port, [Symbol.dispose]: () => claim.close() };
  }
  throw new Error(
    `no free port from ${firstPort} to ${firstPort + portCount - 1} found in ${attemptsMax} attempts`,
  );
}

function listen(port: number, host: string): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen({ port, host, exclusive: true }, () => resolve(server));
  });
}
