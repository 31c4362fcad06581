// Goal: the example of an API shows that four instances under load let through exactly what their limit says, and tell the
// clients so with the header fields and bodies of the standards.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("four instances under load share one limit to the exact request", { timeout: 90_000 }, async () => {
  const program = fileURLToPath(new URL("../../examples/api-limits/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  const rows = [...stdout.matchAll(/^:\d+ +(\d+) +(\d+)$/gm)].map(([, ok, denied]) =>
    [ok, denied].map(Number),
  );
  expect(rows).toHaveLength(4);
  expect(rows.map(([ok = 0, denied = 0]) => ok + denied)).toEqual([100, 100, 100, 100]);
  expect(rows.reduce((sum, [ok = 0]) => sum + ok, 0)).toBe(100);
  expect(stdout).toMatch(/^client-a, after that: 429$/m);
  expect(stdout).toMatch(
    /^ {2}RateLimit-Policy: "hourly";q=100;w=3600, "monthly";q=10000;w=\d+\n {2}RateLimit: "hourly";r=0;t=\d+, "monthly";r=9900;t=\d+\n {2}Retry-After: \d+\n {2}Content-Type: application\/problem\+json\n {2}\{.*"violated-policies":\["hourly"\]\}$/m,
  );
  expect(stdout).toMatch(/^client-b, after that: 200\n.*\n {2}RateLimit: "hourly";r=99;/m);
  expect(stdout).toMatch(/✓ of 400 requests, 100 were let through/);
});
