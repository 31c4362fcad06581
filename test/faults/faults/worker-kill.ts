import { sharedNowMs } from "../history.ts";
import { backendNames } from "../targets/target.ts";
import { drawVictims, type Fault, nothingMissing, plainWorld } from "./fault.ts";

/** SIGKILL: workers die wherever they are, and others take their places. */
export const workerKill: Fault = {
  name: "worker-kill",
  summary: "SIGKILL of workers, which are replaced",
  backends: backendNames,
  makesUnknown: false,
  missing: nothingMissing,
  open: (stage) =>
    plainWorld(stage, async (scene) => {
      const { crew, random, ttlMs } = scene;
      const victims = drawVictims(scene, 2);
      scene.begin();
      await Promise.all(victims.map((victim) => victim.kill(sharedNowMs())));
      await scene.pause(random.between(0, ttlMs / 2));
      await Promise.all(victims.map(({ place }) => crew.replace(place)));
      return `killed ${victims.map(({ worker }) => worker).join(", ")}`;
    }),
};
