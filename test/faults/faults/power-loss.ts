import { diskImage, missing } from "../means/disk-image.ts";
import { natsTarget } from "../targets/nats.ts";
import { type Fault, localServersMissing, natsStoreAt, type World } from "./fault.ts";

const megabytes = 64;

/**
 * The machine of the NATS server loses power. NATS acknowledges before it syncs, so what was acknowledged is lost:
 * here the whole bucket, which is younger than the first sync. It must not be made again in silence.
 */
export const powerLoss: Fault = {
  name: "power-loss",
  summary:
    "power loss of the NATS server's disk, by a copy of its image: ends in a typed error, no lower fence",
  backends: ["nats"],
  workloads: ["fenced"],
  makesUnknown: false,
  ends: "lost",
  once: true,
  codes: ["STORE_MISSING"],
  missing: async (backend) => (await missing()) ?? (await localServersMissing(backend)),
  async open(): Promise<World> {
    const disk = await diskImage({ megabytes });
    try {
      const target = await natsTarget(natsStoreAt(disk.folder));
      const { description, url } = target;
      return {
        description: `${description}, on a disk that loses power`,
        url,
        launch: () => ({ url }),
        async round(scene) {
          scene.begin();
          await target.server?.kill();
          await disk.powerLoss();
          await target.server?.restart();
          scene.heal();
          await scene.pause(2 * scene.ttlMs);
          return "the disk lost power";
        },
        async [Symbol.asyncDispose]() {
          await target[Symbol.asyncDispose]();
          await disk.close();
        },
      };
    } catch (error) {
      await disk.close();
      throw error;
    }
  },
};
