// Goal: `leasehold semaphore` runs as many programs at a time as there are permits, and no more.
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { makePlace, shell, untilGo } from "./cli-process.ts";

test("as many commands run at a time as there are permits, and the next one waits", async () => {
  await using place = makePlace();
  const semaphore = ["semaphore", "x", "--permits", "2"];
  const held = place.start([...semaphore, ...shell(untilGo)]);
  await place.written("up");
  // The second permit is free, and the third is not there.
  expect(await place.run([...semaphore, "--try", "--", "true"])).toMatchObject({ exitCode: 0 });
  const both = await place.run([...semaphore, "--take", "2", "--try", "--", "true"]);
  expect(both.exitCode).toBe(exitCodes.notAcquired);
  expect(both.stderr).toMatch(/^leasehold: semaphore "x" is held by \S+\/\d+ \(sh\) since /);
  const waiting = place.start([...semaphore, "--take", "2", ...shell('echo "$LEASEHOLD_NAME"')]);
  place.write("go");
  expect((await held.ended).exitCode).toBe(0);
  expect(await waiting.ended).toMatchObject({ exitCode: 0, stdout: "x\n" });
});

test("the number of permits is the one in the store", async () => {
  await using place = makePlace();
  const none = await place.run(["semaphore", "x", "--", "true"]);
  expect(none).toMatchObject({ exitCode: exitCodes.usage });
  expect(none.stderr).toMatch(/has no limit yet/);
  expect((await place.run(["semaphore", "x", "-p", "3", "--", "true"])).exitCode).toBe(0);
  expect((await place.run(["semaphore", "x", "--take", "3", "--", "true"])).exitCode).toBe(0);
  const other = await place.run(["semaphore", "x", "--permits", "4", "--", "true"]);
  expect(other.exitCode).toBe(exitCodes.usage);
  expect(other.stderr).toMatch(/"x" has a limit of 3, and was opened with 4/);
});

test("what makes no sense is refused before any store is asked", async () => {
  await using place = makePlace();
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { exitCode, stderr } = await place.run(["semaphore", ...args]);
    expect(exitCode).toBe(exitCodes.usage);
    return stderr;
  };
  expect(await refused("x", "--permits", "0", "--", "true")).toMatch(
    /--permits must be a whole number from 1/,
  );
  expect(await refused("x", "--take", "two", "--", "true")).toMatch(/--take must be .*; got "two"/);
  expect(await refused("x", "-p", "2", "--take", "3", "--", "true")).toMatch(
    /--take must be at most --permits/,
  );
  expect(await refused("--permits", "2", "--", "true")).toMatch(/semaphore needs a name/);
  expect(await refused("x", "true")).toMatch(/semaphore needs -- between the name and the command/);
});
