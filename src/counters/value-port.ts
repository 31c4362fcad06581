import type { RecordHost } from "../records/record-host.ts";
import { SharedRecord } from "../records/shared-record.ts";
import type { CounterPlace, CounterPort } from "./counter-port.ts";
import type { Integers } from "./integers.ts";
import { createValueRules, valueAt } from "./value-rules.ts";

/** A counter with a time to live, or of bigints: all of it compares and sets. */
export function valuePort<N extends number | bigint>(
  host: RecordHost,
  { key, subject }: CounterPlace,
  integers: Integers<N>,
  ttlMs: number | undefined,
): CounterPort<N> {
  const { backend, runtime, clock } = host;
  const rules = createValueRules(subject, integers);
  const record = () =>
    host.pooled(`${key} ${typeof integers.zero}`, () => {
      return new SharedRecord({ backend, runtime, key, subject, rules });
    });
  const run: CounterPort<N>["run"] = async (command, signal) => {
    if (ttlMs === undefined) return record().run({ command, life: undefined }, signal);
    record();
    const given = await clock.now();
    return record().run({ command, life: { ttlMs, now: () => clock.peek() ?? given } }, signal);
  };
  return {
    run,
    add: async (delta, bounds, signal) => (await run({ kind: "add", delta, bounds }, signal)).value,
    async read() {
      record();
      const [found] = await backend.get([key]);
      const state = rules.decode(key, found?.value ?? null);
      // Asked after the read, so that nothing ends in between.
      const at = ttlMs === undefined || state.life === undefined ? undefined : await clock.now();
      return valueAt(subject, integers, state, at).value;
    },
  };
}
