import { conflictPauseMs } from "../core/backoff.ts";
import { InvalidArgumentError, LeaseLostError } from "../core/errors.ts";
import { recordKey } from "../core/names.ts";
import { sleep } from "../core/runtime.ts";
import type { StoredValue } from "../kv/entry-record.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Grant } from "../roster/grant.ts";
import { HeldGrant } from "../roster/grant.ts";
import { takenMessage } from "../roster/intervention.ts";
import { standing } from "../roster/roster.ts";
import { decodeRoster } from "../roster/roster-record.ts";
import { checkPlan, type PlanContext, planCommit } from "./commit-plan.ts";
import type { Run } from "./run.ts";
import { settleCommit } from "./settle-commit.ts";
import type { Sightings } from "./sightings.ts";
import type { Isolation } from "./transaction.ts";
import { TransactionClient } from "./transaction-client.ts";

/** What a transaction needs from its coordinator. */
export interface TransactionHost {
  readonly records: RecordHost;
  /** Whether this is the id of a session of its own. */
  owns(session: string): boolean;
}

/** Tries of one commit while only what its function does not depend on changes, until the function is run again. */
const triesMax = 20;

/** Commits what the runs of one transaction want. */
export class Committer {
  readonly #host: TransactionHost;
  readonly #sightings: Sightings;
  readonly #isolation: Isolation;
  readonly #assertWanted: () => void;

  constructor(host: TransactionHost, sightings: Sightings, isolation: Isolation, assertWanted: () => void) {
    this.#host = host;
    this.#sightings = sightings;
    this.#isolation = isolation;
    this.#assertWanted = assertWanted;
  }

  /** Answers whether it is committed; else something that the run counts on has changed. */
  async commit(run: Run): Promise<boolean> {
    const { backend, runtime } = this.#host.records;
    const values = new Map<string, StoredValue | undefined>();
    for (const [key, { value }] of run.pending) values.set(key, await value);
    for (let tries = 0; tries < triesMax; tries += 1) {
      const startedMs = runtime.monotonicMs();
      this.#assertWanted();
      await this.#sightAll(run);
      if (!(await this.#areHeld(run))) continue;
      const now = await run.time(run.pending.size > 0);
      // A key that is only written is not to change from here on.
      if (this.#isolation === "serializable-snapshot") run.useWritten(now);
      if (!run.isUnchanged(now)) return false;
      const context: PlanContext = {
        ...{
          run,
          sightings: this.#sightings,
          values,
          kind: backend.kind,
          capabilities: backend.capabilities,
        },
        guards: [...run.guards].map((grant) => this.#keyOf(grant)),
        isChecked: this.#isolation !== "read-committed",
      };
      this.#assertWanted();
      if (await this.#settle(context)) return true;
      if (tries % 2 === 1) {
        const pauseMs = conflictPauseMs(runtime, tries, runtime.monotonicMs() - startedMs);
        await sleep(runtime, pauseMs, { holdsProcessOpen: true });
      }
    }
    return false;
  }

  async #settle(context: PlanContext): Promise<boolean> {
    const { runtime, clock } = this.#host.records;
    const { run } = context;
    const client = this.#client();
    // Known since it was asked for above; only a machine that slept meanwhile asks again.
    const now = await run.time(run.pending.size > 0);
    return client.marked(async (write) => {
      const plan = planCommit(context, clock.peek() ?? now, (stamps) => client.stamp(stamps, write));
      if (plan.puts.length + run.alongside.length === 0)
        return this.#proveAll(plan.checks.map(({ key }) => key));
      checkPlan(context, plan, run.alongside.length);
      for (const grant of run.guards) grant.assertHeld();
      return settleCommit({
        ...{ runtime, sightings: this.#sightings, plan, write, alongside: run.alongside },
      });
    });
  }

  /** All that there is to do where nothing is written: whether all that was read once stood there together. */
  async #proveAll(keys: readonly string[]): Promise<boolean> {
    const unproven = this.#sightings.unproven(keys);
    if (unproven.length > 0) await this.#sightings.read(unproven);
    return unproven.length === 0;
  }

  /** Everything that the commit depends on and that has not been seen, or is not known any more. */
  async #sightAll(run: Run): Promise<void> {
    const guards = [...run.guards].map((grant) => this.#keyOf(grant));
    const keys = [...new Set([...run.used.keys(), ...run.pending.keys(), ...guards])];
    const unseen = keys.filter((key) => this.#sightings.get(key) === undefined);
    if (unseen.length > 0) await this.#sightings.read(unseen);
  }

  /** `false`: who holds it was seen in a state that is over. @throws LeaseLostError */
  async #areHeld(run: Run): Promise<boolean> {
    for (const grant of run.guards) {
      grant.assertHeld();
      const key = this.#keyOf(grant);
      const record = this.#sightings.get(key)?.record ?? null;
      const roster = record === null ? undefined : decodeRoster(key, record.value).roster;
      const place = roster === undefined ? "absent" : standing(roster, grant.holder).place;
      if (place === "holder" || place === "growing") continue;
      // What was read may be old, and only a commit decides.
      const { committed } = await this.#sightings.commit(
        [{ kind: "check", key, expect: record?.version ?? null }],
        {},
      );
      if (!committed) return false;
      grant.lose(new LeaseLostError(takenMessage(grant)));
      grant.assertHeld();
    }
    return true;
  }

  #keyOf({ kind, name }: HeldGrant): string {
    return recordKey(this.#host.records.namespace, kind, name);
  }

  /** @throws ClosedError once the coordinator is closed. */
  #client(): TransactionClient {
    const { pooled, runtime } = this.#host.records;
    return pooled("transactions", () => new TransactionClient(runtime.id()));
  }
}

/** The grants that stand in rosters for this one. @throws InvalidArgumentError for what is no grant of this coordinator. */
export function heldGrants({ owns }: TransactionHost, grant: Grant): readonly HeldGrant[] {
  const parts: readonly unknown[] = (grant as { readonly parts?: readonly unknown[] } | undefined)?.parts ?? [
    grant,
  ];
  return parts.map((part) => {
    if (!(part instanceof HeldGrant)) {
      throw new InvalidArgumentError(
        "tx.guard takes a grant: what acquire of a lock, of lockAll, a semaphore or a read-write lock answers, or campaign of an " +
          "election",
      );
    }
    part.assertHeld();
    if (owns(part.session.id)) return part;
    throw new InvalidArgumentError(
      `the grant of ${JSON.stringify(part.name)} is one of another coordinator; a transaction is guarded by those of its own`,
    );
  });
}
