import type { Fault } from "./fault.ts";
import { nothingMissing, plainWorld } from "./fault.ts";

/** SIGSTOP of the server: connections stay open and nothing is answered; then all of it is done at once. */
export const serverStop: Fault = {
  name: "server-stop",
  summary: "SIGSTOP of the server, which then answers everything late",
  backends: ["nats", "dynamodb"],
  makesUnknown: true,
  reconnectMs: 2_500,
  missing: nothingMissing,
  open: (stage) =>
    plainWorld(stage, async (scene, { server }) => {
      const { random, ttlMs } = scene;
      const stopMs = ttlMs * random.pick([0.5, 1.7]);
      scene.begin();
      try {
        await server?.pause();
        await scene.pause(stopMs);
      } finally {
        await server?.resume();
      }
      return `the server stood still for ${stopMs} ms`;
    }),
};
