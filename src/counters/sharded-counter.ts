import { decodeCounter } from "../core/counter-record.ts";
import { LimitExceededError, UnsupportedError } from "../core/errors.ts";
import type { RecordHost } from "../records/record-host.ts";
import { type Counter, makeCounter, signalOf } from "./counter.ts";
import type { CounterPlace } from "./counter-port.ts";
import { safeIntegers } from "./integers.ts";
import { plainPort } from "./plain-port.ts";

/** A counter in several records, the first of which is the one of a counter without shards. */
export function makeShardedCounter(
  host: RecordHost,
  name: string,
  { key, subject }: CounterPlace,
  shards: number,
): Counter {
  const { backend, runtime } = host;
  const keys = Array.from({ length: shards }, (_, shard) => (shard === 0 ? key : `${key}.${shard}`));
  const bounds = { min: undefined, max: undefined };
  const parts = keys.map((each, shard) => {
    const port = plainPort(host, { key: each, subject: `shard ${shard} of ${subject}` });
    return makeCounter({ name, integers: safeIntegers, bounds, port, runtime });
  });
  // Drawn once for each client, so that all that it adds rides together.
  const mine = (): Counter =>
    parts[host.pooled(`${key} ${shards}`, () => drawShard(host, shards)).shard] as Counter;
  const refuse = async (what: string): Promise<never> => {
    throw new UnsupportedError(
      `${subject} stands in ${shards} records, and no write changes all of them at once: it has no ${what}. Use one ` +
        "shard, or reset",
    );
  };
  const read: Counter["read"] = async () => {
    mine();
    const startedAtMs = runtime.monotonicMs();
    const records = await backend.get(keys);
    const ageMaxMs = runtime.monotonicMs() - startedAtMs;
    const sums = records.map((record) => (record === null ? 0 : decodeCounter(record.key, record.value).sum));
    const value = Number(sums.reduce((sum, each) => sum + BigInt(each), 0n));
    if (Number.isSafeInteger(value)) return { value, isMomentary: shards === 1, ageMaxMs };
    throw new LimitExceededError(`the sum of the ${shards} shards of ${subject} is beyond 2^53 - 1`);
  };
  return {
    name,
    async add(delta, options) {
      return mine().add(delta, options);
    },
    read,
    get: async () => (await read()).value,
    set: () => refuse("set"),
    compareAndSet: () => refuse("compareAndSet"),
    async reset(options) {
      signalOf(options);
      await Promise.all(parts.map((part) => part.reset(options)));
    },
  };
}

function drawShard({ runtime }: RecordHost, shards: number) {
  const shard = Math.floor(runtime.random() * shards);
  return { shard, isBusy: false, close: async () => undefined };
}
