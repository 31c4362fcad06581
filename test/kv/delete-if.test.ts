// Goal: a deletion under a condition on the value is decided by the write, as every other, and ends whatever others do.
import { expect, test } from "vitest";
import type { KeyValue } from "../../src/index.ts";
import { createWorld, first, within } from "../counters/counter-world.ts";

const slowCodec = {
  type: "slow",
  encode: async (value: number) => Buffer.from(String(value)),
  decode: async (bytes: Uint8Array) => Number(Buffer.from(bytes).toString()),
};

function open(codec?: typeof slowCodec) {
  const { runtime, clients, client } = createWorld({ clients: 2 });
  const [kv, other] = clients.map(({ coordinator }) =>
    coordinator.kv<number>("x", codec === undefined ? {} : { codec }),
  ) as [KeyValue<number>, KeyValue<number>];
  const at = <T>(promise: Promise<T>): Promise<T> => within(runtime, promise, 60_000);
  return { kv, other, at, client };
}

test.each([undefined, slowCodec])(
  "it deletes where the condition holds, and tells what stands in its way",
  async (codec) => {
    const { kv, other, at } = open(codec);
    const isSmall = (entry: { readonly value: number } | undefined): boolean => (entry?.value ?? 0) < 5;
    await at(kv.set("a", 1));
    const written = await at(other.set("a", 7));
    const version = written.committed ? written.version : "";
    expect(await at(kv.delete("a", { if: isSmall }))).toMatchObject({
      committed: false,
      current: { value: 7 },
    });
    expect(await at(kv.delete("a", { if: () => true, ifVersion: "another" }))).toMatchObject({
      committed: false,
      current: { value: 7 },
    });
    expect(await at(kv.delete("a", { if: (entry) => entry?.value === 7, ifVersion: version }))).toEqual({
      committed: true,
      existed: true,
    });
    expect(await at(kv.delete("a", { if: isSmall }))).toEqual({ committed: true, existed: false });
    expect(await at(kv.delete("a", { if: (entry) => entry !== undefined }))).toEqual({ committed: false });
  },
);

test("it is one write where the entry is known, and asks again about what others left", async () => {
  const { kv, other, at, client } = open();
  await at(kv.set("a", 1));
  client(0).resetCounts();
  const seen: unknown[] = [];
  client(0).spoil(
    first("commit", 1, async (_request, send) => {
      await other.set("a", 2);
      return send();
    }),
  );
  const isDeleted = kv.delete("a", { if: (entry) => seen.push(entry?.value) > 0 });
  expect(await at(isDeleted)).toEqual({ committed: true, existed: true });
  expect({ seen, counts: client(0).counts }).toMatchObject({ seen: [1, 2], counts: { get: 0, commit: 2 } });
});

test("with a codec that takes its time, it gives up when others come in between every time", async () => {
  const { other, at, client } = open(slowCodec);
  let changes = 0;
  const decode: typeof slowCodec.decode = async (bytes) => {
    changes += 1;
    await other.set("a", changes);
    return slowCodec.decode(bytes);
  };
  const kv = client(0).coordinator.kv<number>("x", { codec: { ...slowCodec, decode } });
  await at(other.set("a", 0));
  const ended = await at(kv.delete("a", { if: () => true }).catch((error: unknown) => error));
  expect(ended).toMatchObject({ code: "CONTENTION", tries: 100 });
  expect((await at(other.get("a")))?.value).toBe(changes);
});
