// Goal: coordinator.lockManager does what the Web Locks standard says, and what Node's own navigator.locks does.
import { afterAll, describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { createCoordinator, type LockManager } from "../../src/index.ts";
import { standardOrderCases } from "../../src/testing/conformance/web-lock-order.ts";
import { standardRequestCases } from "../../src/testing/conformance/web-lock-standard.ts";

const cases = [...standardRequestCases, ...standardOrderCases];
const own = (globalThis.navigator as { readonly locks?: LockManager } | undefined)?.locks;
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

describe("over the memory backend:", () => {
  const coordinator = createCoordinator(memoryBackend());
  afterAll(() => coordinator.close());
  for (const [index, { title, check }] of cases.entries()) {
    test(title, () => check(coordinator.lockManager, `case ${index}`));
  }
});

describe("as Node itself has it:", () => {
  test("Node has it from 24.5 on", () => {
    const isThere = major > 24 || (major === 24 && minor >= 5);
    expect(own !== undefined).toBe(isThere);
  });
  for (const [index, { title, check }] of cases.entries()) {
    test.runIf(own !== undefined)(title, () => check(own as LockManager, `case ${index}`));
  }
});
