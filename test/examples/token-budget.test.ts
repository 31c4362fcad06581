// Goal: the example of a token budget shows that reservations keep several processes within it, that what a call did not
// use goes back, and that what a killed process had reserved counts as used.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("workers stay within a budget of tokens although one is killed in the middle of a call", {
  timeout: 90_000,
}, async () => {
  const program = fileURLToPath(new URL("../../examples/token-budget/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  expect(stdout).toContain(
    "SIGKILL: bravo is dead in the middle of a call, for which it had reserved 800 tokens",
  );
  const numbers = "(\\d+) +".repeat(4).trim();
  const [, ...cells] = new RegExp(`^all +${numbers} +(\\d+)$`, "m").exec(stdout) ?? [];
  const [, reserved = 0, used = 0, returned = 0, lost = 0] = cells.map(Number);
  expect(lost).toBe(800);
  expect(used + returned + lost).toBe(reserved);
  expect(returned).toBeGreaterThan(0);
  const counted = Number(/^(\d+) of 10000 tokens count as used: /m.exec(stdout)?.[1]);
  expect(counted).toBeGreaterThanOrEqual(used + lost);
  expect(counted).toBeLessThanOrEqual(10_000);
  // All of it was put to use: there is no room for another call.
  expect(counted).toBeGreaterThan(10_000 - 800);
  expect(stdout).toMatch(/✓ the budget was never exceeded, and what nobody settled counts as used/);
});
