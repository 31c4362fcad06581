// Goal: the example of a fleet that shares partitions shows them shared evenly, taken over from the dead, and moved back.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a fleet shares partitions, one worker is killed, and one comes", { timeout: 90_000 }, async () => {
  const program = fileURLToPath(new URL("../../examples/partition-fleet/main.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
  ]);
  expect(stderr).toBe("");
  const shares = [...stdout.matchAll(/(alpha|bravo|charlie|delta) owns ([\d ]+)$/gm)].map(
    ([, name, owned]) => ({
      name,
      owned: (owned ?? "").split(" ").length,
    }),
  );
  expect(shares.map(({ name }) => name)).toEqual([
    ...["alpha", "bravo", "charlie"],
    ...["alpha", "charlie"],
    ...["alpha", "charlie", "delta"],
  ]);
  expect(
    shares
      .slice(0, 3)
      .map(({ owned }) => owned)
      .sort(),
  ).toEqual([2, 3, 3]);
  expect(shares.slice(3, 5).map(({ owned }) => owned)).toEqual([4, 4]);
  expect(
    shares
      .slice(5)
      .map(({ owned }) => owned)
      .sort(),
  ).toEqual([2, 3, 3]);
  expect(stdout).toMatch(/✓ no partition had two owners at once/);
});
