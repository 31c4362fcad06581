// Run in a project that installed the package: holds a lock in each store that needs no server.
import assert from "node:assert/strict";
import { connect, LeaseLostError } from "leasehold";

const stores = [["memory:"], ["sqlite:./consumer.db"], ["sqlite:./consumer.db", { heartbeat: "thread" }]];
for (const [url, options] of stores) {
  const coordinator = await connect(url, options);
  const lock = coordinator.lock("report");
  const grant = await lock.acquire({ wait: "5s" });
  assert.equal(await lock.tryAcquire(), null);
  await grant.release();
  const fence = await lock.hold((later) => later.fence);
  assert.ok(fence > grant.fence);
  assert.throws(() => grant.assertHeld(), LeaseLostError);
  await coordinator.close();
}
