// Goal: the sqlite backend keeps the storage contract, with two connections to one file.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { sqliteBackend } from "../../src/backends/sqlite/index.ts";
import { backendConformance } from "../../src/testing/index.ts";

async function newPath(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-sqlite-"));
  return {
    path: join(folder, "not", "there yet", "store.db"),
    remove: () => rm(folder, { recursive: true }),
  };
}

for (const durable of [false, true]) {
  describe(`the sqlite backend keeps the contract, ${durable ? "durable" : "by default"}:`, () => {
    const cases = backendConformance({
      create: async () => {
        const { path, remove } = await newPath();
        const [backend, other] = [sqliteBackend({ path, durable }), sqliteBackend({ path, durable })];
        await backend.setup();
        const destroy = async (): Promise<void> => {
          await Promise.all([backend.close(), other.close()]);
          await remove();
        };
        return { backend, other, destroy };
      },
      createMissing: async () => {
        const { path, remove } = await newPath();
        const backend = sqliteBackend({ path, durable });
        return { backend, destroy: () => backend.close().then(remove) };
      },
      declared: { commitOperationsMax: 1_000, wake: false, watch: "push", orderedScan: true },
    });
    for (const { title, skip, run } of cases) {
      const reason = skip === undefined ? "" : ` (skipped, ${skip.capability}: ${skip.reason})`;
      test.skipIf(skip !== undefined)(`${title}${reason}`, run);
    }
  });
}
