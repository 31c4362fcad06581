import type { Grant, Transaction, TransactionKeyValue } from "../../../src/index.ts";
import { sharedNowMs } from "../history.ts";
import type { Account } from "../storage-events.ts";
import { bank } from "../worker-settings.ts";
import {
  codeOf,
  giveBack,
  inLanes,
  lockOf,
  noteGranted,
  proveHeld,
  rest,
  restAfterFailure,
  type Workbench,
} from "./workbench.ts";

type Accounts = Pick<TransactionKeyValue<Account>, "getMany" | "set">;

/** Some lanes move money, one moves it out of the vault and into it under a lock, and one looks at all accounts. */
export async function transfers(bench: Workbench): Promise<void> {
  await open(bench);
  await inLanes(bench, 4, (call) => {
    if (call % 4 === 0) return audit(bench, call);
    return call % 4 === 1 ? guarded(bench, call) : move(bench, call, drawPair(bench));
  });
}

/** Whoever is first, all of them at once. Who comes later looks at one only, and is no reader whom everybody disturbs. */
async function open(bench: Workbench): Promise<void> {
  const { coordinator, log, stopping } = bench;
  const account: Account = { balance: bank.each, moves: [], fences: [] };
  while (!stopping.aborted) {
    try {
      return await coordinator.transaction(async (tx) => {
        const accounts = tx.kv<Account>(bank.space);
        if (!(await accounts.setIfAbsent(bank.vault, account))) return;
        for (const name of bank.accounts) accounts.set(name, account);
      });
    } catch (error) {
      log.write({ event: "audit-failed", code: codeOf(error) });
      await restAfterFailure(bench);
    }
  }
}

function drawPair({ random }: Workbench): readonly [string, string] {
  const open = bank.accounts.filter((name) => name !== bank.vault);
  const from = random.pick(open);
  return [from, random.pick(open.filter((name) => name !== from))];
}

async function move(
  bench: Workbench,
  call: number,
  [from, to]: readonly [string, string],
  guard?: Grant,
): Promise<void> {
  const { log, random, settings } = bench;
  const id = `${settings.worker}-${call}`;
  const amount = 1 + random.below(20);
  const apply = async (accounts: Accounts): Promise<void> => {
    const [payer, payee] = await accounts.getMany([from, to]);
    if (payer === undefined || payee === undefined) throw new Error("the accounts were never opened");
    accounts.set(from, after(payer, id, -amount, from, guard));
    accounts.set(to, after(payee, id, amount, to, guard));
  };
  log.write({ event: "transfer-called", id, from, to, amount });
  try {
    await inTransaction(bench, apply, (tx) => guard && tx.guard(guard));
    log.write({ event: "transferred", id });
  } catch (error) {
    log.write({ event: "transfer-failed", id, code: codeOf(error) });
    await restAfterFailure(bench);
  }
  await rest(bench, 5, 60);
}

function after(
  { balance, moves, fences }: Account,
  id: string,
  amount: number,
  name: string,
  guard?: Grant,
): Account {
  return {
    balance: balance + amount,
    moves: [...moves, id],
    fences: guard !== undefined && name === bank.vault ? [...fences, guard.fence] : fences,
  };
}

/** All or nothing; broken on purpose: one account after the other, whoever comes in between. */
async function inTransaction<R>(
  { coordinator, settings }: Workbench,
  work: (accounts: Accounts) => Promise<R>,
  begin: (tx: Transaction) => void,
): Promise<R> {
  if (settings.broken === undefined) {
    return coordinator.transaction(async (tx) => {
      begin(tx);
      return work(tx.kv<Account>(bank.space));
    });
  }
  const space = coordinator.kv<Account>(bank.space);
  const writes: Promise<unknown>[] = [];
  const result = await work({
    async getMany(keys) {
      const found: (Account | undefined)[] = [];
      for (const key of keys) found.push((await space.get(key))?.value);
      return found;
    },
    set: (key, account) => void writes.push(space.set(key, account)),
  });
  await Promise.all(writes);
  return result;
}

/** Moves money to the vault and back, as long as it holds the lock of the vault. */
async function guarded(bench: Workbench, call: number): Promise<void> {
  const { log, random, stopping: signal } = bench;
  const name = bank.vault;
  log.write({ event: "called", call, name });
  try {
    const grant = await lockOf(bench, name).acquire({ signal });
    noteGranted(bench, grant, call);
    const [other] = drawPair(bench);
    await move(bench, call, random.below(2) === 0 ? [name, other] : [other, name], grant);
    proveHeld(bench, grant, call);
    await giveBack(bench, grant, call);
  } catch (error) {
    log.write({ event: "gave-up", call, code: codeOf(error) });
    await restAfterFailure(bench);
  }
  await rest(bench, 20, 100);
}

/** Looks at all accounts; every other time it also writes something, and is then decided by its commit. */
async function audit(bench: Workbench, call: number): Promise<void> {
  const { log, random, settings } = bench;
  const calledAt = sharedNowMs();
  const isDecided = random.below(2) === 0;
  const totals: number[] = [];
  try {
    const last = await inTransaction(
      bench,
      async (accounts) => {
        const all = await accounts.getMany(bank.accounts);
        totals.push(all.reduce((total, account) => total + (account?.balance ?? 0), 0));
        return all.map((account) => account?.moves.at(-1) ?? null);
      },
      (tx) => isDecided && tx.kv(bank.audits).set(settings.worker, call),
    );
    log.write({ event: "audited", calledAt, isDecided, totals, last });
  } catch (error) {
    log.write({ event: "audit-failed", code: codeOf(error) });
    await restAfterFailure(bench);
  }
  await rest(bench, 20, 100);
}
