import { describe } from "../core/durations.ts";
import { ContentionError, InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { type Leave, type LifeOptions, leave } from "../kv/entry.ts";
import type { StoredValue } from "../kv/entry-record.ts";
import { addend, sumOf } from "../kv/increment.ts";
import { checkList, type LifeTime, lifeOf } from "../kv/key-value-options.ts";
import type { TypedEntries } from "../kv/typed-entries.ts";
import type { PendingChange, Run } from "./run.ts";
import type { Isolation, TransactionKeyValue } from "./transaction.ts";

/** Changes of one key within a run that come in between an update of it, until it gives up. */
const triesMax = 100;

/** The entries of one namespace as one run of a transaction sees them. */
export class TransactionEntries<T, In> implements TransactionKeyValue<T, In> {
  readonly #run: Run;
  readonly #entries: TypedEntries<T, In>;
  /** Whether what is only looked at is counted on when the transaction commits. */
  readonly #isChecked: boolean;

  constructor(run: Run, entries: TypedEntries<T, In>, isolation: Isolation) {
    this.#run = run;
    this.#entries = entries;
    this.#isChecked = isolation !== "read-committed";
  }

  get(key: string): Promise<T | undefined> {
    return this.#run.answer(() => this.#get(key));
  }

  async #get(key: string): Promise<T | undefined> {
    const stored = await this.#stored(key, this.#isChecked);
    return stored === undefined ? undefined : this.#entries.coder.decode(key, stored);
  }

  getMany(keys: readonly string[]): Promise<readonly (T | undefined)[]> {
    return this.#run.answer(async () => {
      checkList("tx.getMany", keys);
      return Promise.all(keys.map((key) => this.#get(key)));
    });
  }

  has(key: string): Promise<boolean> {
    return this.#run.answer(async () => (await this.#stored(key, this.#isChecked)) !== undefined);
  }

  set(key: string, value: In, options?: LifeOptions): void {
    const life = this.#lifeOf("set", options) ?? null;
    this.#put(key, value, life);
  }

  setIfAbsent(key: string, value: In, options?: LifeOptions): Promise<boolean> {
    return this.#run.answer(() => this.#run.writing(this.#setIfAbsent(key, value, options)));
  }

  async #setIfAbsent(key: string, value: In, options?: LifeOptions): Promise<boolean> {
    const life = this.#lifeOf("setIfAbsent", options) ?? null;
    await this.#stored(key, true);
    // Asked again without a pause: another call of this run may have written it meanwhile.
    const isAbsent = !this.#isThere(key);
    if (isAbsent) this.#put(key, value, life);
    return isAbsent;
  }

  delete(key: string): void {
    this.#change(key, { value: undefined });
  }

  update(
    key: string,
    change: (current: T | undefined) => In | Leave | Promise<In | Leave>,
    options?: LifeOptions,
  ): Promise<void> {
    return this.#run.answer(async () => {
      checkFunction("change", change);
      const life = this.#lifeOf("update", options);
      const lifeOfOld = options?.ttl === undefined ? undefined : life;
      await this.#run.writing(this.#rewrite(key, change, life, lifeOfOld));
    });
  }

  increment(key: string, by = 1, options?: LifeOptions & { readonly initial?: number }): Promise<number> {
    return this.#run.answer(() => this.#increment(key, by, options));
  }

  async #increment(
    key: string,
    by: number,
    options: (LifeOptions & { readonly initial?: number }) | undefined,
  ): Promise<number> {
    const { initial: start, ...life } = options ?? {};
    const initial = addend("initial", start ?? 0);
    addend("by", by);
    let sum = 0;
    const add = (current: T | undefined): In => {
      sum = sumOf(key, current ?? initial, by);
      return sum as In;
    };
    await this.#run.writing(this.#rewrite(key, add, this.#lifeOf("increment", life), undefined));
    return sum;
  }

  /** `lifeOfOld` left out: the one that it has. */
  async #rewrite(
    key: string,
    change: (current: T | undefined) => In | Leave | Promise<In | Leave>,
    lifeOfNew: LifeTime | undefined,
    lifeOfOld: LifeTime | undefined,
  ): Promise<void> {
    const recordKey = this.#entries.store.recordKey(key);
    for (let tries = 0; tries < triesMax; tries += 1) {
      const stored = await this.#stored(key, true);
      const before = this.#run.pending.get(recordKey);
      const isThere = this.#isThere(key);
      // What was awaited may be older than what another call of this run has written since.
      if (before !== undefined && before.value !== undefined && (await before.value) !== stored) continue;
      const current = stored === undefined ? undefined : await this.#entries.coder.decode(key, stored);
      const next = await change(isThere ? current : undefined);
      if (next === leave) return;
      if (this.#run.pending.get(recordKey) !== before) continue;
      const kept = lifeOfOld === undefined ? before?.life : lifeOfOld;
      this.#put(key, next as In, isThere ? kept : (lifeOfNew ?? null));
      return;
    }
    throw new ContentionError(
      `other calls of this transaction changed ${JSON.stringify(key)} during each of ${triesMax} tries of an update`,
      { tries: triesMax },
    );
  }

  async #stored(key: string, isUsed: boolean): Promise<StoredValue | undefined> {
    this.#run.assertOpen();
    const recordKey = this.#entries.store.recordKey(key);
    const pending = this.#run.pending.get(recordKey);
    if (pending !== undefined) return pending.value;
    const { visible } = await this.#run.read(recordKey, isUsed);
    return visible?.value;
  }

  /** Whether there is a value, for a key that was read in a way that counts. */
  #isThere(key: string): boolean {
    const recordKey = this.#entries.store.recordKey(key);
    const pending = this.#run.pending.get(recordKey);
    if (pending !== undefined) return pending.value !== undefined;
    return this.#run.used.get(recordKey)?.visible !== undefined;
  }

  #put(key: string, value: In, life: LifeTime | undefined): void {
    this.#run.assertOpen();
    const encoded = this.#entries.coder.encode(key, value);
    // Heard when it commits, or when somebody reads it.
    if (encoded instanceof Promise) encoded.catch(() => undefined);
    this.#change(key, { value: encoded, life });
  }

  #change(key: string, change: Pick<PendingChange, "value" | "life">): void {
    this.#run.assertOpen();
    const { store, settings } = this.#entries;
    const mark = (): string => store.newMark();
    this.#run.pending.set(store.recordKey(key), { key, pastMax: settings.history - 1, mark, ...change });
  }

  #lifeOf(what: string, options: LifeOptions | undefined): LifeTime | undefined {
    this.#run.assertOpen();
    checkOptions(`tx.${what}`, options, ["ttl"]);
    return lifeOf(options, this.#entries.settings.life);
  }
}

/** @throws InvalidArgumentError unless it is a function. */
export function checkFunction(what: string, work: unknown): void {
  if (typeof work === "function") return;
  throw new InvalidArgumentError(`${what} must be a function; got ${describe(work)}`);
}
