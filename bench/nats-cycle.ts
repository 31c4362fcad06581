/** One process takes and returns one lock over NATS, against bare conditional writes and the naive recipe. */
import { connect, headers, type KV, type NatsConnection } from "nats";
import { natsBackend } from "../src/backends/nats/index.ts";
import { createCoordinator, type Lock } from "../src/index.ts";
import { natsServer } from "../test/servers/index.ts";
import { type Figure, median, timeMs } from "./report.ts";

/** About the size of the record of a lock that is held. */
const recordBytes = 250;
/** Short rounds, taken in turns: what else the machine does meets all three alike. */
const rounds = 120;
const warmUpRounds = 40;
const cyclesPerRound = 40;

async function bareWrites(connection: NatsConnection, subject: string, cycles: number): Promise<void> {
  let sequence = 0;
  const payload = Buffer.alloc(recordBytes, "x");
  const first = await connection.request(subject, payload);
  sequence = JSON.parse(first.string()).seq;
  for (let write = 0; write < 2 * cycles; write += 1) {
    const expected = headers();
    expected.set("Nats-Expected-Last-Subject-Sequence", String(sequence));
    const answer = await connection.request(subject, payload, { headers: expected, timeout: 5_000 });
    sequence = JSON.parse(answer.string()).seq;
  }
}

async function naiveRecipe(kv: KV, cycles: number): Promise<void> {
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    await kv.create("naive", "holder");
    await kv.delete("naive");
  }
}

async function lockCycles(lock: Lock, cycles: number): Promise<void> {
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const grant = await lock.acquire();
    await grant.release();
  }
}

export async function natsCycle(): Promise<readonly Figure[]> {
  await using server = await natsServer({ version: "2.15" });
  const connection = await connect({ servers: server.url });
  try {
    const backend = natsBackend({ connection, bucket: "bench" });
    await backend.setup();
    const kv = await connection.jetstream().views.kv("bench");
    await using coordinator = createCoordinator(backend);
    const lock = coordinator.lock("bench");
    const contenders = {
      bare: () => bareWrites(connection, "$KV.bench.bare", cyclesPerRound),
      lock: () => lockCycles(lock, cyclesPerRound),
      naive: () => naiveRecipe(kv, cyclesPerRound),
    };
    // Long enough for the compiler to have seen everything: a fleet runs for days.
    for (let round = 0; round < warmUpRounds; round += 1) {
      for (const contender of Object.values(contenders)) await contender();
    }
    const toBare: number[] = [];
    const toNaive: number[] = [];
    const lockMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const bare = await timeMs(contenders.bare);
      const held = await timeMs(contenders.lock);
      const naive = await timeMs(contenders.naive);
      toBare.push(bare / held);
      toNaive.push(naive / held);
      lockMs.push(held);
    }
    await backend.close();
    const rate = Math.round((1_000 * cyclesPerRound) / median(lockMs));
    const benchmark = "nats-cycle";
    return [
      { benchmark, figure: "acquire + release a second", measured: String(rate), goal: "", met: undefined },
      {
        benchmark,
        figure: "rate against two bare conditional writes",
        measured: median(toBare).toFixed(2),
        goal: "0.90",
        met: median(toBare) >= 0.9,
      },
      {
        benchmark,
        figure: "rate against kv.create + kv.delete",
        measured: median(toNaive).toFixed(2),
        goal: "2.00",
        met: median(toNaive) >= 2,
      },
    ];
  } finally {
    await connection.close();
  }
}
