import type { Finding, History, WorkerEvent } from "../history.ts";
import { bank } from "../worker-settings.ts";

interface Transfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly calledAt: number;
  doneAt?: number;
  /** It was said that nothing was applied. */
  isRefused?: boolean;
}

type Audit = Extract<WorkerEvent, { readonly event: "audited" }>;

const total = bank.each * bank.accounts.length;

/**
 * Each transfer that was acknowledged stands once in both of its accounts, each whose outcome is unknown in both or in
 * neither, no other anywhere; and the balances are what they come to.
 */
export function checkTransfers(history: History): Finding {
  const accounts = history.finalAccounts ?? {};
  const transfers = transfersIn(history);
  const byId = new Map(transfers.map((transfer) => [transfer.id, transfer]));
  const violations = bank.accounts.flatMap((name) => {
    const account = accounts[name];
    if (account === undefined) return [`the account of ${name} could not be read at the end`];
    const due = account.moves.reduce<number>((sum, id) => sum + shareOf(name, byId.get(id)), bank.each);
    const said = `${name} has ${account.balance} at the end, and its transfers come to ${due}`;
    return due === account.balance ? [] : [said];
  });
  for (const { id, from, to, doneAt, isRefused } of transfers) {
    const [paid = 0, got = 0] = [from, to].map((name) => timesIn(accounts[name]?.moves ?? [], id));
    const fits = doneAt !== undefined ? paid === 1 : isRefused === true ? paid === 0 : paid <= 1;
    if (fits && paid === got) continue;
    const fate = doneAt !== undefined ? "acknowledged" : isRefused === true ? "refused" : "in doubt";
    violations.push(`${id}, ${fate}, left ${from} ${paid} times and came to ${to} ${got} times`);
  }
  return { examined: transfers.filter(({ doneAt }) => doneAt !== undefined).length, violations };
}

function transfersIn({ workers }: History): Transfer[] {
  const transfers = new Map<string, Transfer>();
  for (const event of workers.flatMap(({ events }) => events)) {
    if (event.event === "transfer-called") {
      const { id, from, to, amount, at } = event;
      transfers.set(id, { id, from, to, amount, calledAt: at });
    } else if (event.event === "transferred") {
      Object.assign(transfers.get(event.id) ?? {}, { doneAt: event.at });
    } else if (event.event === "transfer-failed") {
      Object.assign(transfers.get(event.id) ?? {}, { isRefused: event.code !== "OUTCOME_UNKNOWN" });
    }
  }
  return [...transfers.values()];
}

/** What a transfer makes of a balance; not a number for one that nobody made, or that is of other accounts. */
function shareOf(name: string, transfer: Transfer | undefined): number {
  if (transfer?.from === name) return -transfer.amount;
  return transfer?.to === name ? transfer.amount : Number.NaN;
}

function timesIn(moves: readonly string[], id: string): number {
  return moves.filter((other) => other === id).length;
}

/** Whoever looks at all accounts in one transaction sees the same total, also in a run that is not committed. */
export function checkTotals(history: History): Finding {
  const audits = auditsIn(history);
  const violations = audits.flatMap(({ worker, totals }) =>
    totals
      .filter((seen) => seen !== total)
      .map((seen) => `${worker} saw ${seen} in all accounts together, and there are ${total}`),
  );
  return { examined: audits.length, violations };
}

/** Where reads may be old, only what the commit decided counts: the last run of those that wrote something. */
function auditsIn({ workers, areReadsOld }: History): (Audit & { readonly worker: string })[] {
  return workers.flatMap(({ worker, events }) =>
    events.flatMap((event) => {
      if (event.event !== "audited" || (areReadsOld === true && !event.isDecided)) return [];
      return [{ ...event, worker, totals: areReadsOld === true ? event.totals.slice(-1) : event.totals }];
    }),
  );
}

/**
 * There is one order of all transfers and audits that explains what stands in each account and what each audit saw, and in
 * which whatever was answered before something else was asked for comes before it.
 */
export function checkOneOrder(history: History): Finding {
  const after = new Map<string, Set<string>>();
  const edge = (from: string | undefined, to: string | undefined): void => {
    if (from === undefined || to === undefined) return;
    after.set(from, (after.get(from) ?? new Set()).add(to));
    if (!after.has(to)) after.set(to, new Set());
  };
  const moves = bank.accounts.map((name) => history.finalAccounts?.[name]?.moves ?? []);
  for (const own of moves) for (const [index, id] of own.entries()) edge(own[index - 1], id);
  const violations: string[] = [];
  const audits = auditsIn(history);
  for (const { worker, calledAt, last } of audits) {
    const audit = auditName(worker, calledAt);
    for (const [index, id] of last.entries()) {
      const own = moves[index] ?? [];
      const at = id === null ? -1 : own.indexOf(id);
      if (id !== null && at < 0) {
        violations.push(`${audit} saw ${id} in ${bank.accounts[index]}, which is not there at the end`);
        continue;
      }
      edge(own[at], audit);
      edge(audit, own[at + 1]);
    }
  }
  for (const [from, to] of timeLine(transfersIn(history), audits)) edge(from, to);
  const cycle = cycleIn(after);
  if (cycle.length > 0) violations.push(`no order explains ${cycle.slice(0, 12).join(", ")}`);
  return { examined: audits.length, violations };
}

function auditName(worker: string, calledAt: number): string {
  return `the audit of ${worker} at ${calledAt.toFixed(3)}`;
}

/** Steps from each answer to each later question, by way of the moments in between: few edges say it all. */
function timeLine(
  transfers: readonly Transfer[],
  audits: readonly (Audit & { readonly worker: string })[],
): (readonly [string, string])[] {
  const moments = [
    ...transfers.flatMap(({ id, calledAt, doneAt }) => [
      { at: calledAt, id, isAnswer: false },
      ...(doneAt === undefined ? [] : [{ at: doneAt, id, isAnswer: true }]),
    ]),
    ...audits.flatMap(({ worker, calledAt, at }) => {
      const id = auditName(worker, calledAt);
      return [
        { at: calledAt, id, isAnswer: false },
        { at, id, isAnswer: true },
      ];
    }),
  ].sort((a, b) => a.at - b.at || Number(a.isAnswer) - Number(b.isAnswer));
  return moments.flatMap(({ id, isAnswer }, index) => {
    const moment = `moment ${index}`;
    const step = [`moment ${index - 1}`, moment] as const;
    return [...(index > 0 ? [step] : []), isAnswer ? [id, moment] : [moment, id]] as [string, string][];
  });
}

/** What lies on a cycle, or between two of them; the moments left out. Empty: there is an order. */
function cycleIn(after: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const turned = new Map<string, Set<string>>([...after.keys()].map((node) => [node, new Set()]));
  for (const [from, all] of after) for (const to of all) turned.get(to)?.add(from);
  const afterwards = withoutEnds(after, turned);
  return afterwards.filter((node) => !node.startsWith("moment "));
}

/** Takes away what nothing comes before, and what nothing comes after, again and again. */
function withoutEnds(
  after: ReadonlyMap<string, ReadonlySet<string>>,
  before: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const left = new Set(after.keys());
  for (const [forth, back] of [
    [after, before],
    [before, after],
  ] as const) {
    const open = new Map([...left].map((node) => [node, countIn(back.get(node), left)]));
    const free = [...left].filter((node) => open.get(node) === 0);
    for (let node = free.pop(); node !== undefined; node = free.pop()) {
      left.delete(node);
      for (const next of forth.get(node) ?? []) {
        if (!left.has(next)) continue;
        const count = (open.get(next) ?? 0) - 1;
        open.set(next, count);
        if (count === 0) free.push(next);
      }
    }
  }
  return [...left];
}

function countIn(nodes: ReadonlySet<string> | undefined, left: ReadonlySet<string>): number {
  return [...(nodes ?? [])].filter((node) => left.has(node)).length;
}

/** What is committed only while a lock is held comes under fences that never fall. */
export function checkGuards({ finalAccounts }: History): Finding {
  const fences = finalAccounts?.[bank.vault]?.fences ?? [];
  const violations = fences.flatMap((fence, index) => {
    const before = fences[index - 1] ?? 0;
    return fence >= before
      ? []
      : [`a transfer of the vault under fence ${fence} was committed after one under ${before}`];
  });
  return { examined: fences.length, violations };
}
