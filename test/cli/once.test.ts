// Goal: `leasehold once` runs a command to success once, whoever asks and however many at a time; what it printed then is
// what everybody gets, byte by byte; a run that failed or died is no run.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { makePlace, shell, untilGo } from "./cli-process.ts";
import { printed, runShell } from "./kv-shell.ts";

test("a command runs to success once, and everybody gets what it printed", async () => {
  await using place = makePlace();
  const command = shell(
    `${untilGo}; echo run >> "$FOLDER/runs"; printf "$LEASEHOLD_KEY $LEASEHOLD_ATTEMPT"; echo no >&2`,
  );
  const first = place.start(["once", "k", ...command]);
  await place.written("up");
  const others = [1, 2].map(() => place.start(["once", "k", ...command]));
  // Nobody waits for longer than this.
  expect(await place.run(["once", "k", "--wait", "0", ...command])).toMatchObject({
    exitCode: 75,
    stdout: "",
  });
  place.write("go");
  expect(await first.ended).toMatchObject({ exitCode: 0, stdout: "k 1", stderr: "no\n" });
  for (const { ended } of others)
    expect(await ended).toMatchObject({ exitCode: 0, stdout: "k 1", stderr: "" });
  expect(readFileSync(place.file("runs"), "utf8")).toBe("run\n");
});

test("bytes come back as they were printed, and nothing as nothing", async () => {
  await using place = makePlace();
  const script = `leasehold once bytes -- printf '\\000\\377' > /dev/null; leasehold once bytes -- echo no | od -An -tx1
    leasehold once nothing -- true; leasehold once nothing -- echo no`;
  expect(await printed(place, script)).toMatch(/^ *00 +ff *\n$/);
});

test("a run that fails ends with its code, and the next one runs anew and knows of it", async () => {
  await using place = makePlace();
  const script = `leasehold once k -- sh -c 'echo half; exit 3'; echo "ended with $?"
    leasehold once k -- sh -c 'echo attempt $LEASEHOLD_ATTEMPT'
    leasehold once k -- echo no
    leasehold once missing -- no-such-command; echo "ended with $?"`;
  const { stdout, stderr } = await runShell(place, script);
  expect(String(stdout)).toBe("half\nended with 3\nattempt 2\nattempt 2\nended with 127\n");
  expect(stderr).toMatch(/^leasehold: the command "no-such-command" was not found.*\n$/);
});

test("a result is kept as long as was asked for, and for what it stands for", async () => {
  await using place = makePlace();
  const script = `leasehold once short --keep 1ms -- echo 1; leasehold once short -- echo 2
    leasehold once other --keep forever -- true
    leasehold once k --keep forever --fingerprint a -- echo a; leasehold once k --fingerprint b -- echo b`;
  const { exitCode, stdout, stderr } = await runShell(place, script);
  expect(String(stdout)).toBe("1\n2\na\n");
  expect(stderr).toMatch(/^leasehold: once "k" was begun with another fingerprint.*\n$/);
  expect(exitCode).toBe(exitCodes.usage);
});

test("what is too large to be stored is printed, and is not run again", async () => {
  await using place = makePlace();
  const large = ["once", "k", "--", "sh", "-c", 'echo run >> "$FOLDER/runs"; head -c 1200000 /dev/zero'];
  const first = await place.run(large);
  expect(first.stdout).toHaveLength(1_200_000);
  expect(first.stderr).toMatch(
    /^leasehold: the work of once "k" has run, and is not run again.*, and print where it is\n$/,
  );
  expect(first.exitCode).toBe(exitCodes.usage);
  expect(await place.run(large)).toMatchObject({
    exitCode: exitCodes.usage,
    stdout: "",
    stderr: expect.stringMatching(/, and print where it is\n$/),
  });
  expect(readFileSync(place.file("runs"), "utf8")).toBe("run\n");
});

test("a signal is passed on to the command and all that it started", async () => {
  await using place = makePlace();
  const running = place.start([
    "once",
    "k",
    ...shell(`trap 'echo told; exit 9' TERM; echo > "$FOLDER/up"; sleep 60`),
  ]);
  await place.written("up");
  running.send("SIGTERM");
  expect(await running.ended).toMatchObject({ exitCode: 9, stdout: "told\n" });
});

test.each([
  ["no key", ["once", "--", "true"], /once needs a key/],
  ["an empty key", ["once", "", "--", "true"], /the key of once must be a non-empty string/],
  ["no --", ["once", "k", "make", "it"], /as in: leasehold once "k" -- make it/],
  ["no command", ["once", "k", "--"], /needs a command after --/],
  ["a wait without a unit", ["once", "k", "--wait", "5", "--", "true"], /--wait must be a length of time/],
  [
    "no time to keep it",
    ["once", "k", "--keep", "0", "--", "true"],
    /--keep must be a length of time.*, or forever; got "0"/,
  ],
])("%s is refused in one line with exit code 64", async (_what, args, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(args);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});
