import { type CounterRecord, decodeCounter } from "../core/counter-record.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Pooled } from "../records/record-pool.ts";
import { SharedRecord } from "../records/shared-record.ts";
import { AddQueue } from "./add-queue.ts";
import type { Bounds, CounterAnswer, CounterCommand } from "./counter-command.ts";
import type { CounterPlace, CounterPort } from "./counter-port.ts";
import { plainRules } from "./plain-rules.ts";

const unbounded: Bounds<number> = { min: undefined, max: undefined };

/** All that this client does with a counter that the backends' own adds work on. */
class PlainTraffic implements Pooled {
  readonly adds: AddQueue;
  readonly #record: SharedRecord<CounterRecord, CounterCommand<number>, CounterAnswer<number>>;
  #writesKnown = 0;

  constructor({ backend, runtime }: RecordHost, { key, subject }: CounterPlace) {
    this.#record = new SharedRecord({ backend, runtime, key, subject, rules: plainRules });
    const addAlone = async (delta: number): Promise<number> =>
      (await this.#record.run({ kind: "add", delta, bounds: unbounded })).value;
    this.adds = new AddQueue({ backend, runtime, key, subject, addAlone });
  }

  get isBusy(): boolean {
    return this.adds.isBusy || this.#record.isBusy;
  }

  run(command: CounterCommand<number>, signal: AbortSignal | undefined): Promise<CounterAnswer<number>> {
    // A write over what was there before our own adds would be refused: reading costs less.
    if (this.adds.writes !== this.#writesKnown) this.#record.forget();
    this.#writesKnown = this.adds.writes;
    return this.#record.run(command, signal);
  }

  async close(): Promise<void> {
    await this.adds.close();
    await this.#record.close();
  }
}

/** A counter of numbers without a time to live. Adds without bounds are the backend's own, all else compares and sets. */
export function plainPort(host: RecordHost, place: CounterPlace): CounterPort<number> {
  const { key } = place;
  const traffic = (): PlainTraffic => host.pooled(key, () => new PlainTraffic(host, place));
  let last: AddQueue | undefined;
  return {
    add(delta, { min, max }, signal) {
      if (min !== undefined || max !== undefined) {
        const command = { kind: "add", delta, bounds: { min, max } } as const;
        return traffic()
          .run(command, signal)
          .then(({ value }) => value);
      }
      // One that is busy is the one that the coordinator keeps.
      if (last?.isBusy !== true) last = traffic().adds;
      return last.add(delta, signal);
    },
    run: async (command, signal) => traffic().run(command, signal),
    async read() {
      traffic();
      const [record] = await host.backend.get([key]);
      return record == null ? 0 : decodeCounter(key, record.value).sum;
    },
  };
}
