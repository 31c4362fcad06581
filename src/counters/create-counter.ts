import { recordKey } from "../core/names.ts";
import type { RecordHost } from "../records/record-host.ts";
import { type Counter, makeCounter } from "./counter.ts";
import {
  type BigintCounterOptions,
  type CounterOptions,
  parseCounterOptions,
  parseShards,
} from "./counter-options.ts";
import type { CounterPlace } from "./counter-port.ts";
import { bigIntegers, safeIntegers } from "./integers.ts";
import { plainPort } from "./plain-port.ts";
import { makeShardedCounter } from "./sharded-counter.ts";
import { valuePort } from "./value-port.ts";

/**
 * Makes a {@link Counter}. It holds no state: two of the same name are the same counter.
 *
 * @throws InvalidArgumentError for an illegal name or option.
 */
export function createCounter(host: RecordHost, name: string, options: CounterOptions = {}): Counter {
  const { bounds, ttlMs } = parseCounterOptions("counter", name, safeIntegers, options, ["shards"]);
  const shards = parseShards(options);
  const place = placeOf(host, name);
  if (shards > 1) return makeShardedCounter(host, name, place, shards);
  const port = ttlMs === undefined ? plainPort(host, place) : valuePort(host, place, safeIntegers, ttlMs);
  return makeCounter({ name, integers: safeIntegers, bounds, port, runtime: host.runtime });
}

/**
 * Makes a {@link Counter} of bigints. It holds no state: two of the same name are the same counter.
 *
 * @throws InvalidArgumentError for an illegal name or option; LimitExceededError for a bound of too many digits.
 */
export function createBigintCounter(
  host: RecordHost,
  name: string,
  options: BigintCounterOptions = {},
): Counter<bigint> {
  const { bounds, ttlMs } = parseCounterOptions("bigintCounter", name, bigIntegers, options);
  const port = valuePort(host, placeOf(host, name), bigIntegers, ttlMs);
  return makeCounter({ name, integers: bigIntegers, bounds, port, runtime: host.runtime });
}

function placeOf({ namespace }: RecordHost, name: string): CounterPlace {
  return { key: recordKey(namespace, "counter", name), subject: `counter ${JSON.stringify(name)}` };
}
