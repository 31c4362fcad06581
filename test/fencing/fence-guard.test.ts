// Goal: a guard within one process refuses smaller fences than it has seen, and nothing else.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import {
  createCoordinator,
  createFenceGuard,
  FenceRejectedError,
  InvalidArgumentError,
} from "../../src/index.ts";

test("a holder writes often, and not any more once its successor has shown itself", async () => {
  const written: string[] = [];
  const guard = createFenceGuard("report");
  await using coordinator = createCoordinator(memoryBackend());
  const early = await coordinator.lock("report").acquire();
  expect(guard.seenFence).toBe(0);
  expect(guard.write(early, () => written.push("a"))).toBe(1);
  expect(guard.write(early, () => written.push("b"))).toBe(2);
  await early.release();
  const late = await coordinator.lock("report").acquire();
  guard.claim(late);
  expect(guard.seenFence).toBe(late.fence);
  const refusal = {
    code: "FENCE_REJECTED",
    fence: early.fence,
    seenFence: late.fence,
    message: expect.stringContaining(`report has seen fence ${late.fence}, and refused the smaller`),
  };
  expect(() => guard.write(early, () => written.push("late"))).toThrow(expect.objectContaining(refusal));
  expect(() => guard.claim(early)).toThrow(FenceRejectedError);
  expect(guard.seenFence).toBe(late.fence);
  guard.write(late, () => written.push("c"));
  expect(written).toEqual(["a", "b", "c"]);
});

test("a failing write has shown its fence all the same, and its error is its own", () => {
  const guard = createFenceGuard();
  const fail = (): never => {
    throw new RangeError("disk");
  };
  expect(() => guard.write({ fence: 2 }, fail)).toThrow(RangeError);
  expect(guard.seenFence).toBe(2);
  expect(() => guard.write({ fence: 1 }, fail)).toThrow("this resource has seen fence 2");
});

test("what carries no fence is refused", () => {
  const guard = createFenceGuard();
  for (const grant of [undefined, {}, { fence: 0 }, { fence: 2 ** 53 }]) {
    expect(() => guard.claim(grant as never)).toThrow("a fence guard needs a grant");
  }
  expect(guard.seenFence).toBe(0);
});

test("a grant of several names is asked which of its fences is meant", async () => {
  await using coordinator = createCoordinator(memoryBackend());
  const guard = createFenceGuard();
  await using both = await coordinator.lockAll(["a", "b"]).acquire();
  expect(() => guard.claim(both)).toThrow(InvalidArgumentError);
  expect(() => guard.claim(both)).toThrow("this grant has one for each of 2 names");
  guard.claim({ fence: both.fences.get("b") ?? 0 });
  expect(guard.seenFence).toBe(both.fences.get("b"));
  await using one = await coordinator.lockAll(["c"]).acquire();
  const other = createFenceGuard();
  other.claim(one);
  expect(other.seenFence).toBe(one.fence);
});
