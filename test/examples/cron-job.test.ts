// Goal: the example of a cron job in two processes runs each slot once, and goes on when one of them ends.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("two processes run each slot of a cron job once", { timeout: 60_000 }, async () => {
  const program = fileURLToPath(new URL("../../examples/cron-job/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  const slots = [...stdout.matchAll(/^worker [12] ran (\d\d:\d\d:\d\d)$/gm)].map(([, slot]) => slot);
  expect(slots.length).toBeGreaterThanOrEqual(5);
  expect(new Set(slots).size).toBe(slots.length);
  expect(new Set([...stdout.matchAll(/^worker ([12]) ran/gm)].map(([, worker]) => worker)).size).toBe(2);
  expect(stdout).toMatch(/✓ \d+ slots, each run once\n$/);
});
