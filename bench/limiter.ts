/** One process decides about one key over NATS, 256 decisions in flight, against rate-limiter-flexible on Redis. */
import { connect } from "nats";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { natsBackend } from "../src/backends/nats/index.ts";
import { createCoordinator } from "../src/index.ts";
import { observeBackend } from "../src/testing/observed-backend.ts";
import { natsServer } from "../test/servers/index.ts";
import { callsPerSecond } from "./in-flight.ts";
import { startRedis } from "./redis-server.ts";
import { type Figure, median } from "./report.ts";

const inFlight = 256;
const roundMs = 400;
const rounds = 12;
const warmUpRounds = 4;
/** So many that nobody is denied: what is measured is deciding. */
const limit = 1_000_000_000;

interface Contender {
  readonly name: string;
  readonly goal: number | undefined;
  decide(): Promise<unknown>;
  requests(): Promise<number> | number;
}

export async function limiter(): Promise<readonly Figure[]> {
  await using server = await natsServer({ version: "2.15" });
  const connection = await connect({ servers: server.url });
  await using redis = await startRedis();
  try {
    const inner = natsBackend({ connection, bucket: "bench" });
    await inner.setup();
    const ours = (mode: "exact" | "leased", goal: number): Contender & AsyncDisposable => {
      const backend = observeBackend(inner);
      const coordinator = createCoordinator(backend);
      const policies = [{ limit, per: "1h" }] as const;
      const limited = coordinator.rateLimiter(mode, { policies, mode });
      return {
        ...{ name: mode, goal },
        decide: () => limited.take("key"),
        requests: () => backend.counts.reads + backend.counts.writes,
        [Symbol.asyncDispose]: () => coordinator.close(),
      };
    };
    await using exact = ours("exact", 2);
    await using leased = ours("leased", 10);
    const contenders: Contender[] = [exact, leased];
    if (redis !== null) {
      const peer = new RateLimiterRedis({ storeClient: redis.client, points: limit, duration: 3_600 });
      contenders.push({
        name: `rate-limiter-flexible on Redis ${redis.version}`,
        goal: undefined,
        decide: () => peer.consume("key"),
        requests: () => redis.commands(),
      });
    }
    const measured = await measure(contenders);
    const peer = measured.find(({ contender }) => contender.goal === undefined);
    return measured.flatMap(({ contender, rates, perThousand }): Figure[] => {
      const { name, goal } = contender;
      const plain = { benchmark: "limiter", goal: "", met: undefined };
      const rate = {
        ...plain,
        figure: `${name}: decisions a second`,
        measured: String(Math.round(median(rates))),
      };
      const cost = {
        ...plain,
        figure: `${name}: requests for 1,000 decisions`,
        measured: perThousand.toFixed(2),
      };
      if (goal === undefined) return [rate, cost];
      const figure = `${name}: rate against rate-limiter-flexible`;
      if (peer === undefined) return [rate, cost, { ...plain, figure, measured: "no redis-server here" }];
      const ratio = median(rates.map((own, index) => own / (peer.rates[index] ?? Number.NaN)));
      return [
        rate,
        cost,
        { ...plain, figure, measured: ratio.toFixed(2), goal: goal.toFixed(2), met: ratio >= goal },
      ];
    });
  } finally {
    await connection.close();
  }
}

/** In turns, so that what else the machine does meets all alike. */
async function measure(contenders: readonly Contender[]): Promise<
  readonly {
    readonly contender: Contender;
    readonly rates: readonly number[];
    readonly perThousand: number;
  }[]
> {
  const all = contenders.map((contender) => ({
    contender,
    rates: [] as number[],
    decisions: 0,
    requests: 0,
  }));
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    for (const one of all) {
      const before = await one.contender.requests();
      let decisions = 0;
      const decide = async (): Promise<void> => {
        await one.contender.decide();
        decisions += 1;
      };
      const rate = await callsPerSecond(decide, inFlight, roundMs);
      if (round < warmUpRounds) continue;
      one.rates.push(rate);
      one.decisions += decisions;
      one.requests += (await one.contender.requests()) - before;
    }
  }
  return all.map(({ contender, rates, decisions, requests }) => ({
    ...{ contender, rates },
    perThousand: (1_000 * requests) / decisions,
  }));
}
