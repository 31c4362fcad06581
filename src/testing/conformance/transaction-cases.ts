import assert from "node:assert/strict";
import { OutcomeUnknownError } from "../../core/errors.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition } from "./lock-support.ts";

const transfersEach = 6;
const manyKeys = 100;

/** Transactions: what several clients read and write at the same time is as if one came after the other. */
export const transactionCases: readonly LockCaseDefinition[] = [
  {
    title: "transactions: of one key, on every store: callers of three clients at once are all counted",
    async check({ clients }) {
      const add = ({ coordinator }: (typeof clients)[number]): Promise<number> =>
        coordinator.transaction((tx) => tx.increment("tally"));
      const sums = await Promise.all([...clients, ...clients, ...clients].map(add));
      assert.deepEqual(
        sums.sort((a, b) => a - b),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      assert.equal((await clients[1].coordinator.kv<number>("default").get("tally"))?.value, 9);
    },
  },
  {
    title: "transactions: of one key, a lost answer is found out: it counts once",
    async check(context) {
      const [first, second] = context.clients;
      const stock = second.coordinator.kv<number>("stock");
      await stock.set("apples", 10);
      await loseAnswers(context, 2, () =>
        first.coordinator.transaction((tx) => tx.kv<number>("stock").increment("apples", -1)),
      );
      assert.equal((await stock.get("apples"))?.value, 9);
      const record = await stock.get("apples");
      assert.ok(record !== undefined && record.createdAt <= record.updatedAt);
    },
  },
  severalKeys("a sum that transfers of three clients keep is seen by all, and stays", async (context) => {
    const names = ["ann", "bob", "eve"];
    const [{ coordinator }] = context.clients;
    await coordinator.transaction((tx) => {
      for (const name of names) tx.kv<number>("bank").set(name, 10);
    });
    const sumOf = (values: readonly (number | undefined)[]): number =>
      values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const transfer = async (client: number, round: number): Promise<void> => {
      const bank = context.clients[client as 0].coordinator.kv<number>("bank");
      await bank.get("ann");
      await context.clients[client as 0].coordinator.transaction(async (tx) => {
        const accounts = tx.kv(bank);
        assert.equal(sumOf(await accounts.getMany(names)), 30);
        await accounts.increment(names[round % 3] as string, -1);
        await accounts.increment(names[(round + 1) % 3] as string, 1);
      });
    };
    await Promise.all(
      context.clients.map(async (_, client) => {
        for (let round = 0; round < transfersEach; round += 1) await transfer(client, round + client);
      }),
    );
    const entries = await coordinator.kv<number>("bank").getMany(names);
    assert.equal(sumOf(entries.map((entry) => entry?.value)), 30);
  }),
  severalKeys("lost answers of commits of several keys are found out: each counts once", async (context) => {
    const [first, second] = context.clients;
    await loseAnswers(context, 2, () =>
      first.coordinator.transaction(async (tx) => {
        await tx.increment("left");
        await tx.increment("right", -1);
      }),
    );
    const entries = await second.coordinator.kv<number>("default").getMany(["left", "right"]);
    assert.deepEqual(
      entries.map((entry) => entry?.value),
      [1, -1],
    );
  }),
  severalKeys("a hundred keys are committed together, and read together", async ({ clients }) => {
    const keys = Array.from({ length: manyKeys }, (_, index) => `key ${index}`);
    await clients[0].coordinator.transaction((tx) => {
      for (const [index, key] of keys.entries()) tx.set(key, index);
    });
    const read = await clients[2].coordinator.transaction((tx) => tx.getMany(keys));
    assert.deepEqual(read, [...keys.keys()]);
  }),
  checkingKeys(
    "of two that each write what they saw the other not write, one runs again",
    async (context) => {
      const [first, second] = context.clients;
      const goOffDuty = async ({ coordinator }: typeof first, own: string, other: string): Promise<void> => {
        await coordinator.transaction(async (tx) => {
          if ((await tx.get(other)) !== "off") tx.set(own, "off");
        });
      };
      await Promise.all([goOffDuty(first, "ann", "bob"), goOffDuty(second, "bob", "ann")]);
      const entries = await first.coordinator.kv("default").getMany(["ann", "bob"]);
      assert.equal(entries.filter((entry) => entry?.value === "off").length, 1);
    },
  ),
  checkingKeys(
    "one that is guarded by a grant commits while it is held, also when others come",
    async (context) => {
      const [first] = context.clients;
      const [lock, other] = context.locks("guard");
      const grant = await lock.acquire();
      let runs = 0;
      let waiting: Promise<{ release(): Promise<void> }> | undefined;
      await first.coordinator.transaction(async (tx) => {
        tx.guard(grant);
        runs += 1;
        await tx.increment("guarded");
        waiting ??= other.acquire();
        await context.queued(lock, 1);
      });
      await grant.release();
      await (await waiting)?.release();
      assert.equal(runs, 1);
      const guarded = first.coordinator.transaction(async (tx) => {
        tx.set("guarded", "never");
        tx.guard(grant);
      });
      await assertCode(guarded, "LEASE_LOST");
      assert.equal((await first.coordinator.kv("default").get("guarded"))?.value, 1);
    },
  ),
];

/** A case that only stores which commit several keys pass; the others refuse it before anything is sent. */
function severalKeys(title: string, check: LockCaseDefinition["check"]): LockCaseDefinition {
  return {
    title: `transactions: ${title}`,
    async check(context) {
      const [{ coordinator, backend }] = context.clients;
      await coordinator.kv("default").get("settled");
      if (backend.capabilities.commitOperationsMax > 1) return check(context);
      backend.resetCounts();
      const refused = coordinator.transaction((tx) => {
        tx.set("one", 1);
        tx.set("other", 2);
      });
      await assertCode(refused, "UNSUPPORTED");
      assert.equal(backend.counts.writes, 0);
    },
  };
}

/** As {@link severalKeys}, for commits that check what they do not write: not every NATS server can. */
function checkingKeys(title: string, check: LockCaseDefinition["check"]): LockCaseDefinition {
  return severalKeys(title, async (context) => {
    const [{ coordinator }] = context.clients;
    const attempt = coordinator.transaction(async (tx) => {
      if ((await tx.get("checked")) === undefined) tx.set("written", true);
    });
    const refusal = await attempt.catch((error: { readonly code?: string }) => error.code);
    if (refusal === undefined) return check(context);
    assert.equal(refusal, "UNSUPPORTED");
    assert.equal(await coordinator.kv("default").get("written"), undefined);
  });
}

/** Runs something of the first client while the answers to its first commits are lost. */
async function loseAnswers(
  { clients: [{ backend }] }: LockCaseContext,
  times: number,
  work: () => Promise<unknown>,
): Promise<void> {
  let left = times;
  backend.intercept(async (request, send) => {
    const answer = await send();
    if (request.kind !== "commit" || left === 0) return answer;
    left -= 1;
    throw new OutcomeUnknownError("a test lost the answer");
  });
  await work();
  backend.intercept(undefined);
  assert.equal(left, 0);
}
