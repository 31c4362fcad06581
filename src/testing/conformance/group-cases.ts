import assert from "node:assert/strict";
import type { Group } from "../../groups/group.ts";
import { type LockCaseDefinition, until } from "./lock-support.ts";

async function identities(group: Group): Promise<readonly (string | undefined)[]> {
  return (await group.members()).map(({ identity }) => identity);
}

/** Groups: who is in them, and who is no more. */
export const groupCases: readonly LockCaseDefinition[] = [
  {
    title: "groups: three clients see one another join and leave, in order",
    async check({ clients }) {
      const groups = clients.map(({ coordinator }) => coordinator.group("group-members"));
      const grants = [];
      for (const [index, group] of groups.entries()) grants.push(await group.join({ identity: `m${index}` }));
      const [first, second, third] = grants.map(({ fence }) => fence);
      assert.ok(Number(first) < Number(second) && Number(second) < Number(third));
      const seen = async (expected: readonly string[]): Promise<void> => {
        for (const group of groups) {
          await until(
            async () => (await identities(group)).join() === expected.join(),
            () => `the members are ${expected.join()}`,
          );
        }
      };
      await seen(["m0", "m1", "m2"]);
      await grants[1]?.release();
      await seen(["m0", "m2"]);
    },
  },
  {
    title: "groups: a member that is cut off goes from the list, and the others stay",
    async check({ clients }) {
      const groups = clients.map(({ coordinator }) => coordinator.group("group-severed"));
      for (const [index, group] of groups.entries()) await group.join({ identity: `m${index}` });
      clients[1].sever();
      const lists = groups[0]?.observe() ?? [];
      for await (const members of lists) {
        if (members.length === 2) {
          assert.deepEqual(
            members.map(({ identity }) => identity),
            ["m0", "m2"],
          );
          break;
        }
      }
    },
  },
  {
    title:
      "partitions: three members share them evenly, each owned by one at a time, and take over from one cut off",
    async check({ clients, ttlMs }) {
      const count = 6;
      const stop = new AbortController();
      const fences = new Map<number, number>();
      const owned = clients.map(() => new Set<number>());
      const runs = clients.map(({ coordinator }, index) =>
        coordinator
          .group("shared")
          .partitions(count)
          .run(
            async ({ partition, fence, signal }) => {
              assert.ok(fence > (fences.get(partition) ?? 0), "fences of a partition rise");
              fences.set(partition, fence);
              const others = owned.filter((set, other) => other !== index && set.has(partition));
              assert.equal(others.length, 0, "nobody else owns it");
              owned[index]?.add(partition);
              if (!signal.aborted) await new Promise((end) => signal.addEventListener("abort", end));
              owned[index]?.delete(partition);
            },
            { signal: stop.signal },
          ),
      );
      const shared = (expected: readonly number[]): Promise<void> =>
        until(
          async () => owned.map(({ size }) => size).join() === expected.join(),
          () => `the shares are ${owned.map(({ size }) => size)} and not ${expected}, TTL ${ttlMs}`,
        );
      await shared([2, 2, 2]);
      clients[1].sever();
      await shared([3, 0, 3]);
      stop.abort();
      await Promise.all([runs[0], runs[2]]);
      await runs[1]?.catch(() => undefined);
    },
  },
];
