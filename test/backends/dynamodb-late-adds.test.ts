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

test("a new writer on a counter that many have used is counted once, with one request more", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  await addOfOthers(direct, x, 64);
  const counter = createCoordinator(backend).counter("x");
  proxy.forget();
  expect(await counter.add(1)).toBe(65);
  expect(proxy.seen).toEqual(["UpdateItem", "UpdateItem"]);
  proxy.forget();
  proxy.next("UpdateItem", { kind: "dropBefore" });
  expect(await counter.add(1)).toBe(66);
  proxy.next("UpdateItem", { kind: "dropAfter" });
  expect(await counter.add(1)).toBe(67);
});

test("the first request of a new writer is lost, many have written: counted once, or unknown and not counted", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  await addOfOthers(direct, x, 64);
  proxy.next("UpdateItem", { kind: "dropBefore" });
  const told = await createCoordinator(backend).counter("x").add(1).catch(codeOf);
  expect([65, "OUTCOME_UNKNOWN"]).toContain(told);
  expect(await createCoordinator(direct).counter("x").get()).toBe(told === 65 ? 65 : 64);
});

test("refused eight times, never without an answer: that is not unknown", async () => {
  await using store = await faultyStore("own client");
  const { proxy, backend, direct } = store;
  await addOfOthers(direct, x, 64);
  await createCoordinator(direct).counter("x").set(5);
  // As when another set comes in between each time.
  for (let i = 0; i < 8; i += 1)
    proxy.next("PutItem", { kind: "answer", answer: dynamodbError("ConditionalCheckFailedException") });
  expect(await createCoordinator(backend).counter("x").add(1).catch(codeOf)).not.toBe("OUTCOME_UNKNOWN");
});
