import assert from "node:assert/strict";
import type { Election } from "../../elections/election.ts";
import type { Leader } from "../../elections/leader.ts";
import type { Leadership } from "../../elections/leadership.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition, until } from "./lock-support.ts";

const roundsEach = 5;

/** Elections: one leads in each term, terms rise, and everybody can see who it is. */
export const electionCases: readonly LockCaseDefinition[] = [
  {
    title: "candidates of three clients lead one at a time, in rising terms, with their own values",
    async check(context) {
      const all = elections(context, "turns");
      let leading = 0;
      let last = 0;
      const campaignAgain = async (election: Election, index: number): Promise<void> => {
        for (let round = 0; round < roundsEach; round += 1) {
          await election.lead(
            async (leadership) => {
              leading += 1;
              assert.equal(leading, 1);
              assert.ok(leadership.term > last, "terms rise");
              last = leadership.term;
              await leadership.proclaim([index, round]);
              assert.deepEqual(leadership.value, [index, round]);
              leading -= 1;
            },
            { value: index },
          );
        }
      };
      await Promise.all(all.map(campaignAgain));
      assert.equal(await all[0].leader(), null);
    },
  },
  {
    title: "an observer is told of the first leader, of a new value, of a hand-over and of the end",
    async check(context) {
      const [first, second, third] = elections(context, "observed");
      const told: (Leader | null)[] = [];
      const stop = new AbortController();
      const listening = (async () => {
        for await (const leader of third.observe({ signal: stop.signal })) told.push(leader);
      })();
      const shows = (identity: string | undefined, value: number | undefined) =>
        until(
          () => told.length > 0 && told.at(-1)?.identity === identity && told.at(-1)?.value === value,
          () => `the observer is told of ${identity} with ${value}; it was told ${JSON.stringify(told)}`,
        );
      await shows(undefined, undefined);
      const one = await first.campaign({ identity: "one", value: 1 });
      await shows("one", 1);
      await one.proclaim(2);
      await shows("one", 2);
      const abort = new AbortController();
      const passedBy = assertCode(first.campaign({ signal: abort.signal }), "ABORTED");
      await inLine(first, 1);
      const next = second.campaign({ identity: "two", value: 3 });
      await inLine(first, 2);
      assert.equal(await one.resign({ to: "two" }), "handed-over");
      const two = await next;
      await shows("two", 3);
      abort.abort();
      await passedBy;
      assert.equal(await two.resign({ to: "one" }), "absent");
      await shows(undefined, undefined);
      stop.abort();
      await listening;
    },
  },
  {
    title: "a leader that was cut off is replaced, and learns of it before that",
    async check(context) {
      const [first, second] = elections(context, "severed");
      const lost = await first.campaign({ identity: "lost" });
      context.clients[0].sever();
      const next = await second.campaign({ wait: 8 * context.ttlMs });
      assert.equal(lost.signal.aborted, true, "the signal comes before somebody else leads");
      assert.ok(next.term > lost.term);
      await assertCode(lost.proclaim("late"), "LEASE_LOST");
      await next.resign();
    },
  },
  {
    title: "a process that comes back under its identity leads at once, and its earlier life loses the lease",
    async check(context) {
      // A lease so long that nobody could wait for its end.
      const ttl = "1h";
      const [first, second, third] = context.clients.map(({ coordinator }) =>
        coordinator.election("resumed", { ttl }),
      ) as unknown as readonly [Election, Election, Election];
      const before = await first.campaign({ identity: "node" });
      const abort = new AbortController();
      const other = assertCode(second.campaign({ signal: abort.signal }), "ABORTED");
      await inLine(second, 1);
      let after: Leadership;
      try {
        after = await third.campaign({ identity: "node", resume: true, wait: "10s", value: "again" });
      } finally {
        abort.abort();
      }
      await other;
      assert.ok(after.term > before.term);
      assert.equal((await second.leader())?.value, "again");
      await assertCode(before.proclaim("late"), "LEASE_LOST");
      await after.resign();
    },
  },
];

function elections({ clients }: LockCaseContext, name: string): readonly [Election, Election, Election] {
  const [one, two, three] = clients;
  return [one.coordinator.election(name), two.coordinator.election(name), three.coordinator.election(name)];
}

async function inLine(election: Election, count: number): Promise<void> {
  await until(
    async () => (await election.inspect())?.waiters.length === count,
    () => `${count} stand in line`,
  );
}
