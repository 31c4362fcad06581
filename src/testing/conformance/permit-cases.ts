import assert from "node:assert/strict";
import type { Semaphore } from "../../locks/semaphore.ts";
import type { Grant } from "../../roster/grant.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition } from "./lock-support.ts";

const permits = 3;
const roundsEach = 6;

/** Semaphores and read-write locks: several hold at once, as far as the limit goes. */
export const permitCases: readonly LockCaseDefinition[] = [
  {
    title: "no more hold a semaphore than it has permits, with many callers of three clients",
    async check(context) {
      const all = semaphores(context, "crowded");
      let taken = 0;
      let most = 0;
      const fences = new Set<number>();
      const loop = async (semaphore: Semaphore, weight: number): Promise<void> => {
        for (let round = 0; round < roundsEach; round += 1) {
          await semaphore.hold(
            async ({ fence, signal }) => {
              taken += weight;
              most = Math.max(most, taken);
              fences.add(fence);
              await context.pass(1);
              assert.equal(signal.aborted, false);
              taken -= weight;
            },
            { permits: weight },
          );
        }
      };
      await Promise.all(all.flatMap((semaphore) => [loop(semaphore, 1), loop(semaphore, 2)]));
      assert.ok(most <= permits, `${most} of ${permits} permits were taken at once`);
      assert.equal(fences.size, all.length * 2 * roundsEach, "each grant has a fence of its own");
      assert.equal(await all[0].available(), permits);
    },
  },
  {
    title: "the number of permits is the one in the store, and can be changed live",
    async check(context) {
      const [first, second] = semaphores(context, "resized");
      const grants = await Promise.all([first.acquire(), first.acquire(), first.acquire()]);
      const other = context.clients[2].coordinator.semaphore("resized", { permits: permits + 1 });
      await assertCode(other.tryAcquire(), "LIMIT_MISMATCH");
      assert.equal(await second.tryAcquire(), null);
      await other.resize(permits + 1);
      const more = await second.tryAcquire();
      assert.ok(more !== null, "a client that was there before follows");
      await Promise.all([...grants, more].map((grant) => grant.release()));
    },
  },
  {
    title: "the permits of a client that was cut off go to who waits",
    async check(context) {
      const [first, second] = semaphores(context, "severed");
      const taken = await first.acquire({ permits });
      context.clients[0].sever();
      const grant = await second.acquire({ permits, wait: 8 * context.ttlMs });
      assert.equal(taken.signal.aborted, true, "the signal comes before somebody else gets the permits");
      assert.ok(grant.fence > taken.fence);
      await grant.release();
    },
  },
  {
    title: "many read or one writes, and readers behind a writer wait",
    async check({ clients, pass }) {
      const all = clients.map(({ coordinator }) => coordinator.readWriteLock("catalogue"));
      let readers = 0;
      let writers = 0;
      let readersMost = 0;
      const visit = async (isWriter: boolean, { signal }: Grant): Promise<void> => {
        if (isWriter) writers += 1;
        else readers += 1;
        readersMost = Math.max(readersMost, readers);
        assert.ok(writers === 0 || writers + readers === 1, `${writers} write and ${readers} read`);
        await pass(2);
        assert.equal(signal.aborted, false);
        if (isWriter) writers -= 1;
        else readers -= 1;
      };
      const loop = async (isWriter: boolean, index: number): Promise<void> => {
        const lock = all[index];
        for (let round = 0; round < roundsEach && lock !== undefined; round += 1) {
          await (isWriter ? lock.write : lock.read).hold((grant: Grant) => visit(isWriter, grant));
        }
      };
      await Promise.all(
        [0, 1, 2].flatMap((index) => [loop(false, index), loop(false, index), loop(true, index)]),
      );
      assert.ok(readersMost > 1, "nobody ever read beside another");
    },
  },
  {
    title: "a reader becomes the writer when the others have left, and stays as a reader afterwards",
    async check({ clients }) {
      const [first, second] = clients.map(({ coordinator }) => coordinator.readWriteLock("promoted"));
      assert.ok(first !== undefined && second !== undefined);
      const reader = await first.read.acquire();
      const grant = await second.upgradeable.acquire();
      const upgrading = grant.upgrade();
      await reader.release();
      await upgrading;
      assert.equal(grant.mode, "write");
      assert.ok(grant.fence > reader.fence);
      assert.equal(await first.read.tryAcquire(), null);
      await grant.downgrade();
      await grant.downgrade();
      const other = await first.read.acquire();
      assert.equal(await first.write.tryAcquire(), null);
      await Promise.all([other.release(), grant.release()]);
    },
  },
  {
    title: "several locks are had together or not at all, by clients that name them in different orders",
    async check({ clients, pass }) {
      const orders = [
        ["a", "b", "c"],
        ["c", "b", "a"],
        ["b", "c"],
      ];
      let inside = 0;
      const loop = async (index: number): Promise<void> => {
        const all = clients[index]?.coordinator.lockAll(orders[index] ?? []);
        for (let round = 0; round < roundsEach && all !== undefined; round += 1) {
          const { fences } = await all.hold(async (grant) => {
            inside += 1;
            assert.equal(inside, 1, "two hold them at once");
            await pass(1);
            inside -= 1;
            return grant;
          });
          assert.deepEqual([...fences.keys()], [...(orders[index] ?? [])].sort());
        }
      };
      await Promise.all([0, 1, 2].map(loop));
      const [first] = clients;
      const grant = await first.coordinator.lockAll(["a", "b", "c"]).tryAcquire();
      assert.ok(grant !== null, "nothing is left behind");
      await grant.release();
    },
  },
];

function semaphores({ clients }: LockCaseContext, name: string): [Semaphore, Semaphore, Semaphore] {
  const [first, second, third] = clients;
  const of = ({ coordinator }: typeof first): Semaphore => coordinator.semaphore(name, { permits });
  return [of(first), of(second), of(third)];
}
