// Goal: the memory backend keeps the storage contract, and collects what is past its time to live.
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { ChangeHint } from "../../src/core/backend.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { backendConformance } from "../../src/testing/index.ts";

describe("the memory backend keeps the contract:", () => {
  const cases = backendConformance({
    create: async () => {
      const backend = memoryBackend();
      return { backend, other: backend, destroy: () => backend.close() };
    },
    createMissing: { skip: "a store in memory is made together with its client" },
    declared: { commitOperationsMax: 1_000, wake: true, watch: "push", orderedScan: true },
  });
  for (const { title, skip, run } of cases) {
    const reason = skip === undefined ? "" : ` (skipped, ${skip.capability}: ${skip.reason})`;
    test.skipIf(skip !== undefined)(`${title}${reason}`, run);
  }
});

describe("times to live", () => {
  function virtualBackend() {
    let nowMs = 0;
    const backend = memoryBackend({ runtime: { ...systemRuntime, monotonicMs: () => nowMs } });
    const put = (key: string, ttlMs?: number) =>
      backend.commit([
        { kind: "put", key, value: Buffer.from(key), ...(ttlMs === undefined ? {} : { ttlMs }) },
      ]);
    const keys = async () => (await backend.scan("", { limit: 1_000 })).records.map((record) => record.key);
    const advance = (ms: number) => {
      nowMs += ms;
    };
    return { backend, put, keys, advance };
  }

  test("records past their time to live are collected by later commits, two looks in each, and no others", async () => {
    const { backend, put, keys, advance } = virtualBackend();
    const hints: ChangeHint[] = [];
    backend.watch("short.", (hint) => hints.push(hint));
    for (let index = 0; index < 100; index += 1) await put(`short.${index}`, 1_000);
    for (let index = 0; index < 50; index += 1) await put(`long.${index}`, 100_000);
    await put("plain");
    advance(1_000);
    expect(await keys()).toHaveLength(151);
    hints.length = 0;
    // 150 records with a time to live, two looks a commit, and one commit lost at the end of a round.
    for (let commit = 0; commit < 80; commit += 1) await put("plain");
    const left = await keys();
    expect(left).toHaveLength(51);
    expect(left.filter((key) => key.startsWith("short."))).toEqual([]);
    expect(hints).toHaveLength(100);
    expect(hints.every((hint) => hint.record === null)).toBe(true);
  });

  test("a put without a time to live takes an earlier one away, and another one replaces it", async () => {
    const { put, keys, advance } = virtualBackend();
    await put("kept", 1_000);
    await put("kept");
    await put("renewed", 1_000);
    advance(900);
    await put("renewed", 1_000);
    advance(900);
    for (let commit = 0; commit < 10; commit += 1) await put("plain");
    expect(await keys()).toEqual(["kept", "plain", "renewed"]);
    advance(100);
    for (let commit = 0; commit < 10; commit += 1) await put("plain");
    expect(await keys()).toEqual(["kept", "plain"]);
  });

  test("collection keeps up with a writer whose records all expire at once", async () => {
    const { put, keys, advance } = virtualBackend();
    for (let index = 0; index < 2_000; index += 1) {
      await put(`short.${index}`, 0);
      advance(1);
    }
    expect((await keys()).length).toBeLessThan(10);
  });
});

describe("sharing", () => {
  test("two memory backends see nothing of each other", async () => {
    const [one, two] = [memoryBackend(), memoryBackend()];
    await one.commit([{ kind: "put", key: "a", value: Buffer.from("x") }]);
    expect(await two.get(["a"])).toEqual([null]);
  });

  test("a loop of awaited requests lets timers fire, though no request waits for anything", async () => {
    const backend = memoryBackend();
    let fired = false;
    systemRuntime.schedule(0, () => {
      fired = true;
    });
    for (let request = 0; request < 2_000; request += 1) await backend.get(["a"]);
    expect(fired).toBe(true);
  });

  test("a listener is never called from within the commit that causes the hint", async () => {
    const backend = memoryBackend();
    let calls = 0;
    backend.watch("", () => {
      calls += 1;
    });
    backend.onWake("client", () => {
      calls += 1;
    });
    const committed = backend.commit([{ kind: "put", key: "a", value: Buffer.from("x") }]);
    backend.wake("client", "now");
    expect(calls).toBe(0);
    await committed;
    await Promise.resolve();
    expect(calls).toBe(2);
  });
});
