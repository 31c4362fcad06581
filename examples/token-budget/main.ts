// A budget of tokens, reserved before each call of a model and settled after it: `node examples/token-budget/main.ts`
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "../../src/index.ts";
import { budget, callMax, reservationTtlMs } from "./model.ts";
import type { Told } from "./worker.ts";

const names = ["alpha", "bravo", "charlie"];
const folder = mkdtempSync(join(tmpdir(), "leasehold-token-budget-"));
const { values } = parseArgs({ options: { url: { type: "string" } } });
const url = values.url ?? `sqlite:${join(folder, "limits.db")}`;
/** Of this run alone: another one over the same store has a budget of its own. */
const namespace = `token-budget-${process.pid}-${Date.now()}`;

// Whatever ends this process, no worker and no file outlives it.
const children: ChildProcess[] = [];
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** What one worker did. */
interface Account {
  readonly name: string;
  calls: number;
  reserved: number;
  used: number;
  /** Reserved by a call that never ended. */
  lost: number;
  isLate: boolean;
}

await using coordinator = await connect(url, { namespace });
const tokens = coordinator.rateLimiter("model tokens", { policies: [budget], timeout: "10s" });
const counted = async (): Promise<number> => budget.limit - (await tokens.peek("team-a")).remaining;

const accounts: readonly Account[] = names.map((name) => ({
  ...{ name, calls: 0, reserved: 0, used: 0, lost: 0, isLate: false },
}));

/** A worker's life. Resolves when the budget had no room for its next call, or when it was killed. */
async function work(account: Account, isToHang = false): Promise<void> {
  const { name } = account;
  const child = fork(join(import.meta.dirname, "worker.ts"), [url, namespace, name, isToHang ? "hang" : ""], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  children.push(child);
  child.on("message", ({ what, reserved, used, isLate }: Told) => {
    account.calls += 1;
    account.reserved += reserved;
    account.used += used;
    account.isLate ||= isLate;
    if (what !== "hangs") return;
    account.lost += reserved;
    child.kill("SIGKILL");
    console.log(
      `SIGKILL: ${name} is dead in the middle of a call, for which it had reserved ${reserved} tokens`,
    );
  });
  // A message may come after the exit, but not after the end of its channel.
  await Promise.all([once(child, "exit"), once(child, "disconnect")]);
  if (child.exitCode === 0 || child.signalCode === "SIGKILL") return;
  throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`);
}

console.log(
  `${names.length} workers share ${budget.limit} tokens a day, at most ${callMax} for a call, over ${url}`,
);
const [, bravo] = accounts;
if (bravo === undefined) throw new Error("there is no second worker");
await work(bravo, true);
await Promise.all(accounts.map((account) => work(account)));
const atTheEnd = await counted();
// The reservation of the dead runs out: it counted before, and counts as used from now on.
await setTimeout(1.5 * reservationTtlMs);
const afterTheTtl = await counted();

const sum = (of: (account: Account) => number): number => accounts.reduce((all, it) => all + of(it), 0);
const row = (...cells: readonly (string | number)[]): string =>
  cells.map((cell, index) => (index === 0 ? String(cell).padEnd(10) : String(cell).padStart(9))).join("");
console.log(row("worker", "calls", "reserved", "used", "returned", "lost"));
for (const { name, calls, reserved, used, lost } of accounts) {
  console.log(row(name, calls, reserved, used, reserved - used - lost, lost));
}
const [used, lost] = [sum((it) => it.used), sum((it) => it.lost)];
console.log(
  row(
    "all",
    sum((it) => it.calls),
    sum((it) => it.reserved),
    used,
    sum((it) => it.reserved) - used - lost,
    lost,
  ),
);
console.log(`${afterTheTtl} of ${budget.limit} tokens count as used: ${used} and the ${lost} of the dead`);

// On a machine that stood still a call may settle too late: then all that it had reserved counts.
const isRight = (value: number): boolean =>
  accounts.some(({ isLate }) => isLate) ? value >= used + lost : value === used + lost;
const isGood = isRight(atTheEnd) && isRight(afterTheTtl) && afterTheTtl <= budget.limit && lost === callMax;
console.log(`${isGood ? "✓" : "✗"} the budget was never exceeded, and what nobody settled counts as used`);
process.exitCode = isGood ? 0 : 1;
