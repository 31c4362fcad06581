import type { Fault } from "./fault.ts";
import { nothingMissing, plainWorld } from "./fault.ts";

/** SIGKILL of the server, which starts again on the same port and files. */
export const serverKill: Fault = {
  name: "server-kill",
  summary: "kill and restart of the server, away for less and for more than a lease",
  backends: ["nats", "dynamodb"],
  makesUnknown: true,
  reconnectMs: 2_500,
  missing: nothingMissing,
  open: (stage) =>
    plainWorld(stage, async (scene, { server }) => {
      const { random, ttlMs } = scene;
      const awayMs = random.pick([0, ttlMs * 1.5]);
      scene.begin();
      await server?.kill();
      await scene.pause(awayMs);
      await server?.restart();
      return `the server was killed and started ${awayMs} ms later`;
    }),
};
