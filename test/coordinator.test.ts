// Goal: a coordinator is made over a backend, and says what it needs to who hands in something else.
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { memoryBackend } from "../src/backends/memory/index.ts";
import { type Backend, createCoordinator } from "../src/index.ts";

test.each([
  ["text", "memory:", '"memory:"'],
  ["nothing", undefined, "undefined"],
  ["an object that is no backend", {}, "an object"],
  ["a promise of one", Promise.resolve(), "an object"],
])("%s is refused", (_what, backend, shown) => {
  expect(() => createCoordinator(backend as unknown as Backend)).toThrow(
    `createCoordinator needs a backend, such as memoryBackend() or natsBackend({ connection, bucket }); got ${shown}`,
  );
});

test("printed, it says in a line where it is, its TTL and whether it is open, and nothing of its backend", async () => {
  const backend = Object.assign(memoryBackend(), { password: "secret" });
  const coordinator = createCoordinator(backend, { namespace: "shop", ttl: "5s" });
  expect(inspect(coordinator)).toBe(
    "Coordinator { backend: 'memory', namespace: 'shop', ttlMs: 5000, state: 'open' }",
  );
  await coordinator.close();
  expect(inspect(coordinator)).toContain("state: 'closed'");
});
