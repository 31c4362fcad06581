// Goal: one lock among several clients behaves as the documentation says, on virtual time.
import { afterEach, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";

function world(clients = 2) {
  const runtime = createVirtualRuntime();
  const store = memoryBackend({ runtime });
  const backends = Array.from({ length: clients }, () => observeBackend(store));
  const coordinators = backends.map((backend) => createCoordinator(backend, { runtime, ttl: 9_000 }));
  return { runtime, backends, coordinators };
}

test("acquire and release", async () => {
  const { runtime, backends, coordinators } = world();
  const [a, b] = coordinators as [Coordinator, Coordinator];
  const grant = await a.lock("x").acquire();
  expect(grant.state).toBe("held");
  console.log(backends[0]?.counts);
  backends[0]?.resetCounts();
  expect(await b.lock("x").tryAcquire()).toBeNull();
  console.log(backends[1]?.counts);
  const waiting = b.lock("x").acquire();
  await runtime.settle();
  await grant.release();
  const second = await waiting;
  expect(second.fence).toBeGreaterThan(grant.fence);
  await second.release();
  backends[0]?.resetCounts();
  backends[1]?.resetCounts();
  for (let i = 0; i < 10; i++) await (await b.lock("x").acquire()).release();
  console.log(backends[1]?.counts);
  console.log(await b.lock("x").inspect());
});

test("takeover", async () => {
  const { runtime, backends, coordinators } = world(3);
  const [a, b, c] = coordinators as [Coordinator, Coordinator, Coordinator];
  const grant = await a.lock("x").acquire();
  backends[0]?.intercept(() => new Promise(() => {}));
  const waiting = b.lock("x").acquire();
  const waiting2 = c.lock("x").acquire();
  await runtime.advance(8_990);
  expect(grant.signal.aborted).toBe(false);
  await runtime.advance(10);
  expect(grant.signal.aborted).toBe(true);
  let got = 0;
  waiting.then(() => {
    got = runtime.monotonicMs();
  });
  await runtime.advance(20_000);
  console.log(
    got,
    backends.map((x) => x.counts),
  );
  const second = await waiting;
  await second.release();
  await (await waiting2).release();
});
