// Goal: an add on DynamoDB counts once also when a copy of it, of ours or of the SDK, lands after so many others that the
// receipt for an earlier one was removed; and it is told to be unknown only where something went unanswered.
import { expect, test } from "vitest";
import { dynamodbBackend } from "../../src/backends/dynamodb/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { createCoordinator } from "../../src/index.ts";
import { dynamodbError } from "../fault-proxy/http-fault-proxy.ts";
import { faultyStore, userClient } from "./dynamodb-support.ts";

const newWriter = () => ({ writer: systemRuntime.id(), sequence: 1 });
const codeOf = (error: { code?: string }) => error.code ?? String(error);
const x = "default.counter.x";
async function addOfOthers(backend: Backend, key: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await backend.add(key, 1, newWriter());
}

test("the first copy lands late, after the receipt of the second one was pruned", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  const gate = Promise.withResolvers<void>();
  const landed = Promise.withResolvers<void>();
  proxy.next("UpdateItem", { kind: "delay", until: gate.promise, landed: landed.resolve });
  expect(await backend.add("k", 1_000, newWriter())).toBe(1_000);
  await addOfOthers(direct, "k", 81);
  gate.resolve();
  await landed.promise;
  expect(await direct.add("k", 0, newWriter())).toBe(1_081);
});

test("the SDK's own retry comes after the receipt was pruned", async () => {
  await using store = await faultyStore("user's client");
  const { proxy, direct, table } = store;
  // Slow machines: the others have written before this client's own time limit.
  await using backend = Object.assign(
    dynamodbBackend({ client: userClient(proxy.url), table, requestTimeout: "20s" }),
    {
      async [Symbol.asyncDispose]() {},
    },
  );
  await backend.setup({ create: false });
  proxy.next("UpdateItem", { kind: "dropAfter", meanwhile: () => addOfOthers(direct, "k", 81) });
  await backend.add("k", 1_000, newWriter()).catch(codeOf);
  expect(await direct.add("k", 0, newWriter())).toBe(1_081);
});

test("a new writer is counted with one request, and with two where receipts of others were removed", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  for (const [others, requests] of [
    [64, 1],
    [17, 2],
  ] as const) {
    await addOfOthers(direct, x, others);
    const counter = createCoordinator(backend).counter("x");
    const before = (await counter.get()) ?? 0;
    proxy.forget();
    expect(await counter.add(1)).toBe(before + 1);
    expect(proxy.seen).toEqual(Array.from({ length: requests }, () => "UpdateItem"));
    proxy.next("UpdateItem", { kind: "dropBefore" });
    expect(await counter.add(1)).toBe(before + 2);
    proxy.next("UpdateItem", { kind: "dropAfter" });
    expect(await counter.add(1)).toBe(before + 3);
  }
});

test.each([64, 81])(
  "the first request of a new writer is lost after %i others: counted once, or unknown and not counted",
  async (count) => {
    await using store = await faultyStore("own client");
    const { proxy, backend, direct } = store;
    await addOfOthers(direct, x, count);
    proxy.next("UpdateItem", { kind: "dropBefore" });
    const told = await createCoordinator(backend).counter("x").add(1).catch(codeOf);
    expect(told).toBe(count === 64 ? 65 : "OUTCOME_UNKNOWN");
    expect(await createCoordinator(direct).counter("x").get()).toBe(count === 64 ? 65 : 81);
  },
);

test("a set that makes a value of the counter, and adds after it, let no late copy in", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  const gate = Promise.withResolvers<void>();
  const landed = Promise.withResolvers<void>();
  const counter = createCoordinator(direct).counter("x");
  await counter.add(1);
  proxy.next("UpdateItem", { kind: "delay", until: gate.promise, landed: landed.resolve });
  expect(await backend.add(x, 1_000, newWriter())).toBe(1_001);
  // As many writers as receipts are kept in a value.
  for (let other = 0; other < 65; other += 1) await createCoordinator(direct).counter("x").set(other);
  await addOfOthers(direct, x, 1);
  gate.resolve();
  await landed.promise;
  expect(await counter.get()).toBe(65);
});

test("refused sixteen times, never without an answer: that is not unknown", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  await addOfOthers(direct, x, 64);
  await createCoordinator(direct).counter("x").set(5);
  // As when another set comes in between each time.
  for (let i = 0; i < 16; i += 1)
    proxy.next("PutItem", { kind: "answer", answer: dynamodbError("ConditionalCheckFailedException") });
  expect(await createCoordinator(backend).counter("x").add(1).catch(codeOf)).not.toBe("OUTCOME_UNKNOWN");
});
