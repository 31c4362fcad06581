import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { missing, type SmallDisk, smallDisk } from "../means/small-disk.ts";
import { natsTarget } from "../targets/nats.ts";
import { sqliteFile, sqliteTarget } from "../targets/sqlite.ts";
import type { BackendName, Target } from "../targets/target.ts";
import { type Fault, localServersMissing, natsStoreAt, type World } from "./fault.ts";

const megabytes = { sqlite: 16, nats: 64 };

/** The disk of the store is full for a while. */
export const diskFull: Fault = {
  name: "disk-full",
  summary: "the disk under the store is full for a while",
  backends: ["sqlite", "nats"],
  makesUnknown: false,
  reconnectMs: 2_500,
  missing: async (backend) => (await missing()) ?? (await localServersMissing(backend)),
  async open({ backend }): Promise<World> {
    const disk = await smallDisk({ megabytes: backend === "sqlite" ? megabytes.sqlite : megabytes.nats });
    try {
      const target = await targetOn(backend, disk);
      const { description, url } = target;
      return {
        description: `${description}, on a small disk`,
        url,
        launch: () => ({ url }),
        async round(scene) {
          const fullMs = scene.ttlMs * scene.random.pick([0.5, 1.7]);
          scene.begin();
          using _reader = backend === "sqlite" ? keepReading(disk) : undefined;
          try {
            await disk.fill();
            await scene.pause(fullMs);
          } finally {
            await disk.free();
          }
          // NATS gives up a stream that it could not write, until it is started again.
          await target.server?.restart();
          return `the disk was full for ${fullMs} ms`;
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

/** Somebody who reads for long, as a backup does: until he ends, SQLite cannot write over its log, which must grow. */
function keepReading({ folder }: SmallDisk): Disposable {
  const database = new DatabaseSync(join(folder, sqliteFile), { readOnly: true });
  database.exec("BEGIN");
  database.prepare("SELECT count(*) FROM sqlite_schema").get();
  return { [Symbol.dispose]: () => database.close() };
}

async function targetOn(backend: BackendName, { folder }: SmallDisk): Promise<Target> {
  return backend === "sqlite" ? sqliteTarget(folder) : natsTarget(natsStoreAt(folder));
}
