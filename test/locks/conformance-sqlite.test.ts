// Goal: locks keep their promises over the SQLite backend, in real time, with three connections to one file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { sqliteBackend } from "../../src/backends/sqlite/index.ts";
import { lockConformance } from "../../src/testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "leasehold-locks-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.concurrent("over the SQLite backend:", () => {
  const cases = lockConformance({
    async create() {
      const path = join(folder, "locks.db");
      const backends = [sqliteBackend({ path }), sqliteBackend({ path }), sqliteBackend({ path })] as const;
      for (const backend of backends) await backend.setup();
      return {
        backends,
        async destroy() {
          await Promise.all(backends.map((backend) => backend.close()));
        },
      };
    },
  });
  for (const { title, run } of cases) test(title, run);
});
