// Goal: the example of payments answers as the drafts for idempotency keys say, and charges once although an instance is
// killed between the charge and its answer.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("payments are made once, whoever repeats, comes at the same time, or dies", {
  timeout: 90_000,
}, async () => {
  const program = fileURLToPath(new URL("../../examples/idempotent-payments/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  expect(stdout).not.toContain("✗");
  const answers = [...stdout.matchAll(/^ {4}(\d+|no answer)/gm)].map(([, status]) => status);
  expect(answers).toEqual([
    ...["400", "201", "201", "422", "201", "402", "402"],
    ...["409", "201", "201", "no answer", "201", "201"],
  ]);
  expect(stdout.match(/Idempotent-Replayed: true/g)).toHaveLength(4);
  expect(stdout).toMatch(
    /✓ four payments were charged once each: 10, 20, 30, 40; the bank was asked 6 times/,
  );
});
