/** One process adds to one counter over NATS, 256 adds in flight, against `INCR` of Redis, pipelined by ioredis. */
import { connect } from "nats";
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

export async function counter(): Promise<readonly Figure[]> {
  await using server = await natsServer({ version: "2.15" });
  const connection = await connect({ servers: server.url });
  await using redis = await startRedis();
  try {
    const backend = observeBackend(natsBackend({ connection, bucket: "bench" }));
    await backend.setup();
    await using coordinator = createCoordinator(backend);
    const total = coordinator.counter("bench");
    let adds = 0;
    const add = async (): Promise<void> => {
      await total.add();
      adds += 1;
    };
    const rates: number[] = [];
    const redisRates: number[] = [];
    let writes = 0;
    for (let round = 0; round < warmUpRounds + rounds; round += 1) {
      if (round === warmUpRounds) backend.resetCounts();
      const addsBefore = adds;
      const rate = await callsPerSecond(add, inFlight, roundMs);
      const redisRate =
        redis === null
          ? Number.NaN
          : await callsPerSecond(() => redis.client.incr("bench"), inFlight, roundMs);
      if (round < warmUpRounds) continue;
      rates.push(rate);
      redisRates.push(redisRate);
      writes += adds - addsBefore;
    }
    const exact = (await total.get()) === adds;
    const { reads, writes: requests } = backend.counts;
    const ratio = median(rates.map((rate, index) => rate / (redisRates[index] ?? Number.NaN)));
    const benchmark = "counter";
    const plain = { benchmark, goal: "", met: undefined };
    const against =
      redis === null
        ? { ...plain, figure: "rate against Redis INCR, pipelined", measured: "no redis-server here" }
        : {
            benchmark,
            figure: `rate against INCR of Redis ${redis.version}, pipelined`,
            measured: ratio.toFixed(2),
            goal: "3.00",
            met: ratio >= 3,
          };
    return [
      {
        ...plain,
        figure: `adds a second, ${inFlight} in flight`,
        measured: String(Math.round(median(rates))),
      },
      { ...plain, figure: "Redis INCR a second", measured: String(Math.round(median(redisRates))) },
      against,
      {
        ...plain,
        figure: "requests for 1,000 adds",
        measured: ((1_000 * (reads + requests)) / writes).toFixed(2),
      },
      { benchmark, figure: "sum is the number of adds", measured: String(exact), goal: "true", met: exact },
    ];
  } finally {
    await connection.close();
  }
}
