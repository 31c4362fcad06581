// Goal: the example of order numbers shows numbers without gaps or repeats, although a worker is killed between two steps.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("order numbers have no gaps and no repeats, and the dead worker's number is found taken", {
  timeout: 90_000,
}, async () => {
  const program = fileURLToPath(new URL("../../examples/order-numbers/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  const killed = /SIGKILL: bravo is dead; it wrote bravo-8 as number (\d+),/.exec(stdout);
  expect(killed).not.toBeNull();
  expect(stdout).toContain(`finds number ${killed?.[1]} taken by bravo-8, and takes the next one`);
  expect(stdout).toContain("60 orders, numbers 1 to 60");
  expect(stdout).toMatch(/✓ each order has one number, no number has two orders, and none is left out/);
});
