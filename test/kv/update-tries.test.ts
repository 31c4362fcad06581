// Goal: a try of an update is one in which somebody came in between, and nothing else counts as one; who takes turns meets no
// lock of a user's; and what is large stays in memory no longer than it is needed.
import { expect, test } from "vitest";
import { type KeyValue, leave } from "../../src/index.ts";
import { createEntryRules } from "../../src/kv/entry-rules.ts";
import { SharedRecord } from "../../src/records/shared-record.ts";
import { createWorld, within } from "../counters/counter-world.ts";

function open(namespace = "numbers") {
  const { runtime, clients, store } = createWorld({ clients: 2 });
  const [kv, other] = clients.map(({ coordinator }) => coordinator.kv<number>(namespace)) as [
    KeyValue<number>,
    KeyValue<number>,
  ];
  const at = <T>(promise: Promise<T>, delayMs = 60_000): Promise<T> => within(runtime, promise, delayMs);
  return { runtime, clients, store, kv, other, at };
}

test("to make sure of what was remembered is no other try, and asks nobody twice", async () => {
  const { kv, at } = open();
  await at(kv.set("a", 1));
  let asked = 0;
  const left = kv.update("a", () => (++asked > 0 ? leave : 0), { attempts: 1, lockAfter: 1 });
  expect(await at(left)).toMatchObject({ committed: false, current: { value: 1 }, tries: 1 });
  const thrown = kv.update(
    "a",
    () => {
      asked += 1;
      throw new RangeError("not enough");
    },
    { attempts: 1 },
  );
  await expect(at(thrown)).rejects.toThrow("not enough");
  expect(asked).toBe(2);
});

test("what changed meanwhile is asked about again, and is another try", async () => {
  const { kv, other, at } = open();
  await at(kv.set("a", 1));
  await at(other.set("a", 5));
  const seen: unknown[] = [];
  const note = (value: number | undefined): typeof leave => {
    seen.push(value);
    return leave;
  };
  expect(await at(kv.update("a", note))).toMatchObject({ current: { value: 5 }, tries: 2 });
  expect(seen).toEqual([1, 5]);
  await at(other.set("a", 6));
  await expect(at(kv.update("a", note, { attempts: 1 }))).rejects.toMatchObject({ code: "CONTENTION" });
});

test.each(["ann", "k".repeat(1_024)])(
  "taking turns meets no lock of a user's, whatever the key",
  async (key) => {
    const { clients, kv, other, at } = open("accounts");
    let meddled = 0;
    const change = async (value = 0): Promise<number> => {
      meddled += 1;
      if (meddled <= 3) await other.increment(key, 10);
      return value + 1;
    };
    const update = () => kv.update(key, change, { lockAfter: 1 });
    const name = key === "ann" ? "accounts/ann" : "accounts";
    const updated = clients[0]?.coordinator.lock(name).hold(update);
    expect(await at(updated as ReturnType<typeof update>)).toMatchObject({ committed: true, value: 31 });
  },
);

test("records that are large are not remembered, neither what was written nor what was read", async () => {
  const { runtime, store, kv, at } = open();
  const key = "default.kv.x..a";
  const rules = createEntryRules("a", () => store.capabilities, store.kind);
  const record = new SharedRecord({ backend: store, runtime, key, subject: "it", rules });
  const put = (length: number, isKept = false) =>
    record.run({
      decide: () =>
        isKept ? { kind: "keep" } : { kind: "put", value: { type: "bytes", bytes: new Uint8Array(length) } },
      ...{ pastMax: 1, now: () => ({ earliestMs: 1, latestMs: 1 }), mark: () => "m" },
    });
  await at(put(2_000));
  expect(record.seen).toBeDefined();
  await at(put(4_000));
  expect(record.seen).toBeUndefined();
  await at(put(0, true));
  expect(record.seen).toBeUndefined();
  expect((await at(kv.keys().page())).items).toEqual([]);
});
