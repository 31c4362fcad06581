import { type ClusterTarget, natsClusterTarget, stream } from "../targets/nats-cluster.ts";
import { type Fault, nothingMissing, type Scene } from "./fault.ts";

/** A fault of whoever leads the stream of a cluster. */
function leaderFault(
  name: string,
  summary: string,
  round: (scene: Scene, target: ClusterTarget) => Promise<string>,
): Fault {
  return {
    name,
    summary,
    backends: ["nats-cluster"],
    makesUnknown: false,
    reconnectMs: 4_000,
    missing: nothingMissing,
    async open() {
      const target = await natsClusterTarget();
      const { description, url } = target;
      return {
        description,
        url,
        launch: () => ({ url }),
        round: (scene) => round(scene, target),
        [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
      };
    },
  };
}

/** The stream's leader hands over, in order. */
export const leaderStepDown = leaderFault(
  "leader-step-down",
  "the leader of the stream, or of the cluster, hands over to another server",
  async (scene, { cluster }) => {
    const isMeta = scene.random.below(4) === 0;
    scene.begin();
    if (isMeta) await cluster.stepDownMeta();
    else await cluster.stepDown(stream);
    return `the leader of the ${isMeta ? "cluster" : "stream"} stepped down`;
  },
);

/** The stream's leader is killed, and comes back when another one leads. */
export const leaderKill = leaderFault(
  "leader-kill",
  "kill of the leader of the stream, which comes back later",
  async (scene, { cluster }) => {
    const { random, ttlMs } = scene;
    const leader = await cluster.streamLeader(stream);
    const awayMs = ttlMs * random.pick([0.2, 1.7]);
    scene.begin();
    await leader.kill();
    await scene.pause(awayMs);
    await leader.restart();
    await cluster.untilHealthy();
    await cluster.streamLeader(stream);
    return `the leader was killed and started ${awayMs} ms later`;
  },
);
