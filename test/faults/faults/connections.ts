import { type TcpProxy, tcpProxy } from "../means/tcp-proxy.ts";
import { openTarget } from "../targets/open-target.ts";
import { type Fault, nothingMissing, type Scene, type World } from "./fault.ts";

/** A fault of the connections of half of the workers, while the other half is well. */
function connectionFault(
  name: string,
  summary: string,
  makesUnknown: boolean,
  round: (scene: Scene, proxy: TcpProxy) => Promise<string>,
): Fault {
  return {
    name,
    summary,
    backends: ["nats", "dynamodb"],
    makesUnknown,
    // Until a request of before the end is given up, and the client has dialled again.
    reconnectMs: 3_000,
    missing: nothingMissing,
    async open({ backend, folder, random }): Promise<World> {
      const target = await openTarget(backend, folder);
      try {
        const { port = 0 } = target.server ?? {};
        const proxy = await tcpProxy({ host: "127.0.0.1", port }, { random: () => random.next() });
        return {
          description: `${target.description}, half of the workers over a proxy`,
          url: target.url,
          launch: (place) => ({ url: place % 2 === 0 ? target.urlAt(proxy.port) : target.url }),
          async round(scene) {
            scene.begin();
            try {
              return await round(scene, proxy);
            } finally {
              await proxy.heal();
            }
          },
          async [Symbol.asyncDispose]() {
            await proxy.close();
            await target[Symbol.asyncDispose]();
          },
        };
      } catch (error) {
        await target[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

/** The faults of a proxy of our own between workers and server. */
export const connectionFaults: readonly Fault[] = [
  connectionFault(
    "delay",
    "a proxy delays every packet by up to half a second",
    false,
    async (scene, proxy) => {
      const delayMs = scene.random.between(100, 300);
      proxy.delay(delayMs, 200);
      await scene.pause(scene.ttlMs);
      return `packets took ${Math.round(delayMs)} to ${Math.round(delayMs + 200)} ms more`;
    },
  ),
  connectionFault("cut", "a proxy resets the connections, several times", false, async (scene, proxy) => {
    const cuts = 1 + scene.random.below(4);
    for (let done = 0; done < cuts; done += 1) {
      if (proxy.counters.openConnections > 0) scene.struck();
      proxy.cut();
      await scene.pause(scene.random.between(50, 600));
    }
    return `connections were cut ${cuts} times`;
  }),
  connectionFault(
    "refuse",
    "a proxy cuts the connections and refuses new ones",
    false,
    async (scene, proxy) => {
      const { random, ttlMs } = scene;
      await proxy.refuse();
      proxy.cut();
      const refusedMs = ttlMs * random.pick([0.5, 1.7]);
      await scene.pause(refusedMs);
      return `no connection for ${refusedMs} ms`;
    },
  ),
  connectionFault(
    "half-open",
    "a proxy passes nothing on, and later all of it",
    true,
    async (scene, proxy) => {
      const { random, ttlMs } = scene;
      await proxy.halfOpen();
      const heldMs = ttlMs * random.pick([0.5, 1.7]);
      await scene.pause(heldMs);
      return `connections were half open for ${heldMs} ms, then everything arrived`;
    },
  ),
  connectionFault(
    "swallow-replies",
    "a proxy lets writes through and swallows the replies",
    true,
    async (scene, proxy) => {
      const { random, ttlMs } = scene;
      await proxy.swallowReplies();
      const swallowedMs = ttlMs * random.pick([0.5, 1.7]);
      await scene.pause(swallowedMs);
      return `replies were swallowed for ${swallowedMs} ms`;
    },
  ),
  connectionFault(
    "swallow-requests",
    "a proxy swallows requests while the connections look well",
    true,
    async (scene, proxy) => {
      const { random, ttlMs } = scene;
      await proxy.swallowRequests();
      const swallowedMs = ttlMs * random.pick([0.5, 1.7]);
      await scene.pause(swallowedMs);
      return `requests were swallowed for ${swallowedMs} ms`;
    },
  ),
];
