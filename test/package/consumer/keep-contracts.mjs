// Run in a project that installed the package: what was bundled and made small keeps the contracts of the sources, by
// the package's own suites over the stores that need no server.
import assert from "node:assert/strict";
import { memoryBackend } from "leasehold/memory";
import { sqliteBackend } from "leasehold/sqlite";
import { backendConformance, lockConformance } from "leasehold/testing";

const stores = {
  memory: {
    open: () => {
      const backend = memoryBackend();
      return () => backend;
    },
    wake: true,
  },
  sqlite: { open: (path) => () => sqliteBackend({ path }), wake: false },
};

async function create(open, count) {
  const backends = Array.from({ length: count }, open);
  await backends[0].setup();
  const [backend, other] = backends;
  return { backend, other, backends, destroy: () => Promise.all(backends.map((each) => each.close())) };
}

let files = 0;
const cases = Object.entries(stores).flatMap(([store, { open, wake }]) =>
  [
    ...backendConformance({
      create: () => create(open(`./storage-${files++}.db`), 2),
      createMissing: { skip: "the project's own tests make one" },
      declared: { commitOperationsMax: 1_000, wake, watch: "push", orderedScan: true },
    }),
    ...lockConformance({ create: () => create(open("./locks.db"), 3) }),
  ].map((each) => ({ ...each, store })),
);
assert.ok(cases.length > 100, `only ${cases.length} cases`);

const failures = [];
async function work() {
  for (let next = cases.shift(); next !== undefined; next = cases.shift()) {
    const { store, title, skip, run } = next;
    if (skip === undefined) await run().catch(({ stack }) => failures.push(`${store}: ${title}: ${stack}`));
  }
}
await Promise.all(Array.from({ length: 8 }, work));
assert.deepEqual(failures, []);
