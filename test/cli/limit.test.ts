// Goal: `leasehold limit` runs a command as often as the limit admits, however many programs ask at once, and never else;
// a denial takes nothing and says when to come again; what cannot be meant is refused before any store is asked.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { connect, type Decision } from "../../src/index.ts";
import { makePlace, type Place, shell, untilGo } from "./cli-process.ts";

/** Runs `leasehold limit` with these words, and then a command. */
async function run(place: Place, words: string, command: readonly string[] = []) {
  const { exitCode, stdout, stderr } = await place.run(["limit", ...words.split(" "), ...command]);
  return { exitCode, stdout, stderr };
}
const denied = (stderr: unknown) => ({ exitCode: exitCodes.notAcquired, stdout: "", stderr });

test("the command runs as often as the limit admits, with its own exit code, and then not at all", async () => {
  await using place = makePlace();
  const command = shell('echo "with $LEASEHOLD_URL" >> "$FOLDER/ran"; exit 7');
  const silent = { exitCode: 7, stdout: "", stderr: "" };
  expect(await run(place, "mails --rate 2/1h", command)).toEqual(silent);
  expect(await run(place, "mails --rate 2/1h", command)).toEqual(silent);
  expect(await run(place, "mails --rate 2/1h", command)).toEqual(
    denied(
      expect.stringMatching(
        /^leasehold: limit "mails", key "default" is denied by 2\/1h; come again in (30|29\.\d)m\n$/,
      ),
    ),
  );
  expect(await run(place, "mails --rate 2/1h --quiet", command)).toEqual(denied(""));
  expect(await place.written("ran")).toBe(`with ${place.environment.LEASEHOLD_URL}\n`.repeat(2));
  expect(await run(place, "mails --rate 2/1h --key other", command)).toEqual(silent);
  expect(await run(place, "mails --rate 2/1h -n other", command)).toEqual(silent);
});

test("of programs that ask at the same time, as many run as the limit says", async () => {
  await using place = makePlace();
  const runs = await Promise.all(
    Array.from({ length: 7 }, () => run(place, "jobs --rate 3/1h", shell("true"))),
  );
  expect(runs.map(({ exitCode }) => exitCode).sort()).toEqual([0, 0, 0, ...Array(4).fill(75)]);
});

test("without a command it takes, and prints what was decided", async () => {
  await using place = makePlace();
  const printed = (stdout: unknown) => ({ exitCode: 0, stdout, stderr: "" });
  const words = "api --key bob --rate 5/1h --rate 100/day --algorithm fixed-window";
  expect(await run(place, `${words} --cost 3`)).toEqual(printed("allowed; 2 of 5 left (5/1h)\n"));
  const { exitCode, stdout, stderr } = await run(place, `${words} --cost 3 --json`);
  const expected = {
    ...{ name: "api", key: "bob", allowed: false, policy: "5/1h", limit: 5, remaining: 2, cost: 3 },
    ...{ source: "store", degraded: false },
  };
  expect({ exitCode, stderr }).toEqual({ exitCode: exitCodes.notAcquired, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject(expected);
  expect((JSON.parse(stdout) as Decision).policies.map(({ remaining }) => remaining)).toEqual([2, 97]);
  expect(await run(place, `${words} --cost 2 --quiet`)).toEqual(printed(""));
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "");
  const limiter = coordinator.rateLimiter("api", {
    policies: [
      { limit: 5, per: "1h", algorithm: "fixed-window" },
      { limit: 100, per: "day", algorithm: "calendar-window" },
    ],
  });
  expect(await limiter.peek("bob")).toMatchObject({ allowed: false, policy: "5/1h", remaining: 0 });
});

test("a peek takes nothing, a block denies, and a reset makes it as if never used", async () => {
  await using place = makePlace();
  const table = (...rows: string[]) => expect.stringMatching(new RegExp(`^${rows.join("\\n")}\\n$`));
  const head = "POLICY +LIMIT +LEFT +WHOLE AGAIN";
  await run(place, "x --rate 2/1h");
  for (let time = 0; time < 2; time += 1) {
    expect(await run(place, "x --rate 2/1h --peek")).toEqual({
      ...{ exitCode: 0, stdout: table(head, "2/1h +2 +1 +in (30|29\\.\\d)m"), stderr: "" },
    });
  }
  expect((await run(place, "x --rate 2/1h --peek --cost 2")).exitCode).toBe(exitCodes.notAcquired);
  expect(await run(place, "x --rate 2/1h --block 2d")).toEqual({
    ...{ exitCode: 0, stdout: table(head, "block +0 +in (2d|1\\.9d|48h)", "2/1h .*"), stderr: "" },
  });
  expect(await run(place, "x --rate 2/1h", shell("true"))).toEqual(
    denied(expect.stringMatching(/key "default" is blocked; come again in 2d\n$/)),
  );
  expect(await run(place, "x --rate 2/1h --reset")).toEqual({
    ...{ exitCode: 0, stdout: table(head, "2/1h +2 +2 +now"), stderr: "" },
  });
  expect((await run(place, "x --rate 2/1h --cost 2", shell("true"))).exitCode).toBe(0);
});

test("with --wait the command runs when the limit admits it, or not at all when that is too late", async () => {
  await using place = makePlace();
  expect((await run(place, "x --rate 1/2s", shell("true"))).exitCode).toBe(0);
  expect(await run(place, "x --rate 1/2s --wait 30s", shell("echo ran"))).toEqual({
    ...{ exitCode: 0, stdout: "ran\n", stderr: "" },
  });
  expect((await run(place, "y --rate 1/1h", shell("true"))).exitCode).toBe(0);
  expect(await run(place, "y --rate 1/1h --wait 30s", shell("echo ran"))).toEqual(
    denied(expect.stringMatching(/come again in (1h|59\.9m|60m)\n$/)),
  );
});

test("a signal ends the wait, and the command does not run", async () => {
  await using place = makePlace();
  await run(place, "x --rate 1/1h");
  const waiting = place.start(["limit", "x", "--rate", "1/1h", "--wait", "2h", "-v", ...shell("echo ran")]);
  await waiting.told(/waiting for limit "x", key "default", for about (1h|60m|59\.\dm)\n/);
  waiting.send("SIGTERM");
  expect(await waiting.ended).toMatchObject({ exitCode: 143, stdout: "" });
});

test("signals go to the command, and what it leaves running is not waited for", async () => {
  await using place = makePlace();
  const trapping = place.start([
    ...["limit", "x", "--rate", "2/1h"],
    ...shell(`trap 'exit 9' TERM; ${untilGo}`),
  ]);
  await place.written("up");
  trapping.send("SIGTERM");
  expect(await trapping.ended).toMatchObject({ exitCode: 9 });
  const leaving = place.start([
    ...["limit", "x", "--rate", "2/1h"],
    ...shell(`(${untilGo}; echo gone > "$FOLDER/late") > "$FOLDER/out" 2>&1 & exit 3`),
  ]);
  expect(await leaving.ended).toMatchObject({ exitCode: 3, stderr: "" });
  place.write("go");
  expect(await place.written("late")).toBe("gone\n");
});

test("looking at a limit makes no store", async () => {
  await using place = makePlace();
  expect(await run(place, "x --rate 1/1m --peek")).toMatchObject({ exitCode: exitCodes.configuration });
  expect(existsSync(place.file("store.db"))).toBe(false);
});

test("a command that is not there ends with 127, and has taken its token", async () => {
  await using place = makePlace();
  expect(await run(place, "x --rate 1/1h -- no-such-command")).toMatchObject({
    ...{ exitCode: exitCodes.notFound, stderr: expect.stringContaining("was not found") },
  });
  expect((await run(place, "x --rate 1/1h")).exitCode).toBe(exitCodes.notAcquired);
});

test("names cannot move the cursor of a terminal", async () => {
  await using place = makePlace();
  const args = ["limit", "a\u001b[2Jb", "--key", "c\u009bd", "--rate", "1/1h"];
  await place.run(args);
  const { stderr } = await place.run(args);
  expect(stderr).toMatch(/^leasehold: limit "a\\u001b\[2Jb", key "c\\u\{9b\}d" is denied by 1\/1h;/);
});

test.each([
  ["no name", "", /limit needs a name/],
  ["no rate", "x", /needs a rate, as --rate 10\/1m/],
  ["a rate of none", "x --rate 0/1m", /limit of a policy must be a whole number from 1 to 2\^40; got 0/],
  [
    "a cost that can never be",
    "x --rate 5/1m --cost 6",
    /--cost 6 is never admitted: 5\/1m admits 5 at once/,
  ],
  ["a cost that is none", "x --rate 5/1m --cost few", /--cost must be a whole number/],
  ["an empty key", "x --rate 5/1m --key=", /key of a rate limit must be a non-empty string/],
  ["a peek that waits", "x --rate 5/1m --peek --wait 5s", /--peek does not wait/],
  ["a block without an end", "x --rate 5/1m --block 0s", /--block must be a length of time from 1ms/],
  ["a peek and a reset", "x --rate 5/1m --peek --reset", /--reset.*cannot be used with.*--peek/],
  ["a command to peek", "x --rate 5/1m --peek -- true", /--peek runs no command/],
  ["an empty command", "x --rate 5/1m --", /needs a command after --/],
  ["JSON with a command", "x --rate 5/1m --json -- true", /leave one of them out/],
  ["a command without --", "x --rate 5/1m true", /limit "x" --rate 10\/1m -- true/],
])("%s is refused in one line with exit code 64", async (_what, words, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(["limit", ...words.split(" ").filter(Boolean)]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
  expect(existsSync(place.file("store.db"))).toBe(false);
});
