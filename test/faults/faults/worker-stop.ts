import { backendNames } from "../targets/target.ts";
import { drawVictims, type Fault, nothingMissing, plainWorld } from "./fault.ts";

/** Shorter than a lease, and longer than the others wait until they declare it over. */
const stopsTtls = [0.4, 1.7];

/** SIGSTOP: workers stand still with open connections, and go on later as if nothing had happened. */
export const workerStop: Fault = {
  name: "worker-stop",
  summary: "SIGSTOP of workers, for less and for more than a lease",
  backends: backendNames,
  makesUnknown: false,
  missing: nothingMissing,
  open: (stage) =>
    plainWorld(stage, async (scene) => {
      const { random, ttlMs } = scene;
      const victims = drawVictims(scene, 2);
      const stopMs = ttlMs * random.pick(stopsTtls);
      scene.begin();
      try {
        await Promise.all(victims.map((victim) => victim.stop()));
        await scene.pause(stopMs);
      } finally {
        for (const victim of victims) victim.resume();
      }
      return `stopped ${victims.map(({ worker }) => worker).join(", ")} for ${stopMs} ms`;
    }),
};
