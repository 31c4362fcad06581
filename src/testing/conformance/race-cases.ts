import assert from "node:assert/strict";
import type { Backend, CommitResult, Operation, Version } from "../../core/backend.ts";
import { assertSameBytes, bytes, type CaseContext, type CaseDefinition, put } from "./support.ts";

const racers = 50;

/** Concurrent commits: exactly one of those that expect the same state goes through. */
export const raceCases: readonly CaseDefinition[] = [
  {
    title: "exactly one of 50 concurrent puts that expect the same version wins, over two clients",
    async check(context) {
      const { backend, key } = context;
      const expect = await put(backend, key("a"), "start");
      await raceForOneWinner(context, (value) => ({ kind: "put", key: key("a"), value, expect }));
    },
  },
  {
    title: "exactly one of 50 concurrent creations wins, over two clients",
    async check(context) {
      const { key } = context;
      await raceForOneWinner(context, (value) => ({ kind: "put", key: key("a"), value, expect: null }));
    },
  },
  {
    title: "exactly one of 50 concurrent creations wins where a record was deleted, over two clients",
    async check(context) {
      const { backend, key } = context;
      await put(backend, key("a"), "gone");
      await backend.commit([{ kind: "delete", key: key("a") }]);
      await raceForOneWinner(context, (value) => ({ kind: "put", key: key("a"), value, expect: null }));
    },
  },
  {
    title: "exactly one of 50 concurrent deletes and puts that expect the same version wins",
    async check({ backend, other, key, settled }) {
      const expect = await put(backend, key("a"), "start");
      const results = await race(backend, other, (racer): readonly Operation[] => [
        racer % 2 === 0
          ? { kind: "delete", key: key("a"), expect }
          : { kind: "put", key: key("a"), value: bytes(String(racer)), expect },
      ]);
      const winners = results.filter((result) => result.committed);
      assert.equal(winners.length, 1);
      const version = winners[0]?.committed === true ? (winners[0].versions[0] ?? null) : null;
      await settled(key("a"), version as never);
    },
  },
  {
    title: "no increment is lost when two clients update one record by compare-and-set in a loop",
    async check({ backend, other, key, until }) {
      await put(backend, key("a"), "0");
      const roundsEach = 20;
      const increment = async (client: Backend): Promise<void> => {
        for (let done = 0; done < roundsEach; done += 1) {
          await until("a compare-and-set goes through", async () => {
            const [record] = await client.get([key("a")]);
            assert.ok(record, "the record is there");
            const value = bytes(String(Number(Buffer.from(record.value).toString()) + 1));
            const put: Operation = { kind: "put", key: key("a"), value, expect: record.version };
            return (await client.commit([put])).committed;
          });
        }
      };
      await Promise.all([increment(backend), increment(other), increment(backend)]);
      await until("the sum is read", async () => {
        const [record] = await backend.get([key("a")]);
        return Buffer.from(record?.value ?? []).toString() === String(3 * roundsEach);
      });
    },
  },
];

/** Runs one commit for each racer at once, half of them over the other client. */
export function race(
  backend: Backend,
  other: Backend,
  operations: (racer: number) => readonly Operation[],
): Promise<readonly CommitResult[]> {
  const clients = [backend, other];
  return Promise.all(
    Array.from({ length: racers }, (_, racer) => (clients[racer % 2] as Backend).commit(operations(racer))),
  );
}

async function raceForOneWinner(
  { backend, other, key, settled }: CaseContext,
  operation: (value: Uint8Array) => Operation,
): Promise<void> {
  const value = (racer: number): Uint8Array => bytes(`racer ${racer}`);
  const results = await race(backend, other, (racer) => [operation(value(racer))]);
  const winners = results.flatMap((result, racer) => (result.committed ? [{ racer, result }] : []));
  assert.equal(winners.length, 1, `${winners.length} of ${racers} won`);
  const [winner] = winners;
  assert.ok(winner);
  const version = winner.result.versions[0] as Version;
  assertSameBytes((await settled(key("a"), version)).value, value(winner.racer));
  for (const result of results) {
    if (result.committed) continue;
    for (const { current } of result.conflicts) {
      // Only the winner ever wrote after the race began, so nothing else can be current.
      if (current !== undefined)
        assert.equal(current?.version, version, "a conflict carries what is current");
    }
  }
}
