import { missing, testNetwork } from "../means/network-namespace.ts";
import { natsClusterTarget, stream } from "../targets/nats-cluster.ts";
import type { Fault, World } from "./fault.ts";

const serversCount = 3;

/**
 * A cluster in network namespaces of its own; the leader of the stream is cut off from the other servers, together
 * with half of the workers. Nobody is told: packets vanish.
 */
export const partition: Fault = {
  name: "partition",
  summary: "the stream's leader and half of the workers are cut off, by network namespaces",
  backends: ["nats-cluster"],
  makesUnknown: true,
  // Servers and clients wait for a while before they send again what was lost.
  reconnectMs: 12_000,
  missing: () => missing(),
  async open(): Promise<World> {
    const network = await testNetwork({ size: serversCount + 2 });
    const hosts = network.hosts.slice(0, serversCount);
    const workersAt = network.hosts.slice(serversCount);
    try {
      const target = await natsClusterTarget({ hosts });
      const { cluster, description, url } = target;
      return {
        description: `${description}, in network namespaces`,
        url,
        launch(place) {
          const host = workersAt[place % workersAt.length];
          return host === undefined ? { url } : { url, through: (command) => host.command(command) };
        },
        async round(scene) {
          const leader = await cluster.streamLeader(stream);
          const leads = hosts[cluster.servers.indexOf(leader)];
          const [cutOff, connected] = scene.random.next() < 0.5 ? workersAt : [...workersAt].reverse();
          if (leads === undefined || cutOff === undefined || connected === undefined)
            throw new Error("the network has fewer hosts than it was made with");
          const cutMs = scene.ttlMs * scene.random.pick([0.7, 3]);
          scene.begin();
          try {
            await network.partition([leads, cutOff], [...hosts.filter((host) => host !== leads), connected]);
            await scene.pause(cutMs);
          } finally {
            await network.heal();
          }
          await cluster.untilHealthy();
          await cluster.streamLeader(stream);
          return `the leader and half of the workers were cut off for ${cutMs} ms`;
        },
        async [Symbol.asyncDispose]() {
          await target[Symbol.asyncDispose]();
          await network.close();
        },
      };
    } catch (error) {
      await network.close();
      throw error;
    }
  },
};
