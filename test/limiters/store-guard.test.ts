// Goal: the one timer of all decisions that wait for a store comes to rest on clocks that count fractions.
import { expect, test } from "vitest";
import { StoreGuard } from "../../src/limiters/store-guard.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";

test("a deadline that lies less than the clock can show after another one is met, and not asked for for ever", async () => {
  const runtime = createVirtualRuntime();
  let shownMs = 1_000;
  const delays: number[] = [];
  const guard = new StoreGuard(
    {
      ...runtime,
      monotonicMs: () => shownMs,
      schedule(delayMs, callback, options) {
        delays.push(delayMs);
        return runtime.schedule(delayMs, callback, options);
      },
    },
    300,
  );
  const never = new Promise<never>(() => undefined);
  const first = expect(guard.watch(never, String)).rejects.toThrow("did not answer within 300 ms");
  shownMs += 1e-9;
  const second = expect(guard.watch(never, String)).rejects.toThrow("did not answer within 300 ms");
  shownMs = 1_300;
  await runtime.advance(300);
  await first;
  expect(delays).toEqual([300, 1]);
  shownMs = 1_301;
  await runtime.advance(1);
  await second;
});
