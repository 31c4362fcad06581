// Goal: what several reads at different moments showed is called proven only if it once stood there together, for any
// order of reads and changes; and a read of all that is missing proves it, when nothing changes.
import { expect, test } from "vitest";
import type { StoredRecord } from "../../src/core/backend.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { Sightings } from "../../src/transactions/sightings.ts";

const keys = ["a", "b", "c"];

/** A store whose keys change, and which reads one key after the other while they do. */
function changingStore(random: () => number, changesPerRead: number) {
  const versions = new Map(keys.map((key) => [key, 1]));
  /** Every state that ever was. */
  const states = new Set<string>();
  const note = (): void => void states.add(keys.map((key) => versions.get(key)).join());
  const change = (): void => {
    // Sometimes two at once, as a transaction does.
    for (const key of keys) if (random() < 0.4) versions.set(key, (versions.get(key) ?? 0) + 1);
    note();
  };
  note();
  const read = async (key: string): Promise<StoredRecord> => {
    if (random() < changesPerRead) change();
    return { key, value: new Uint8Array(), version: String(versions.get(key)) };
  };
  const get = async (wanted: readonly string[]): Promise<readonly StoredRecord[]> => {
    const found = new Map<string, StoredRecord>();
    for (const key of [...wanted].sort(() => random() - 0.5)) found.set(key, await read(key));
    return wanted.map((key) => found.get(key) as StoredRecord);
  };
  return { get, states, change };
}

test("what is proven once stood there together", async () => {
  let proven = 0;
  let unproven = 0;
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const { random } = createVirtualRuntime({ seed });
    const store = changingStore(random, 0.3 * random());
    const sightings = new Sightings({ get: store.get } as never);
    for (let reads = 0; reads < 6; reads += 1) {
      const wanted = keys.filter(() => random() < 0.5);
      if (wanted.length > 0) await sightings.read(wanted);
      if (random() < 0.3) store.change();
      if (!keys.every((key) => sightings.get(key) !== undefined)) continue;
      if (sightings.unproven(keys).length > 0) {
        unproven += 1;
        continue;
      }
      proven += 1;
      const state = keys.map((key) => sightings.get(key)?.record?.version).join();
      expect({ seed, state, was: store.states.has(state) }).toEqual({ seed, state, was: true });
    }
  }
  expect(Math.min(proven, unproven)).toBeGreaterThan(1_000);
});

test("one round more proves it where nothing changes, and one key needs none", async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { random } = createVirtualRuntime({ seed });
    const sightings = new Sightings({ get: changingStore(random, 0).get } as never);
    await sightings.read(["a"]);
    expect(sightings.unproven(["a"])).toEqual([]);
    await sightings.read(["b"]);
    expect(sightings.unproven(["a", "b"])).toEqual(["a"]);
    await sightings.read(["a"]);
    expect(sightings.unproven(["a", "b"])).toEqual([]);
    await sightings.read(["c", "a"]);
    const rest = sightings.unproven(keys);
    await sightings.read(rest);
    expect(sightings.unproven(keys)).toEqual([]);
  }
});
