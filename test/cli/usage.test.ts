// Goal: whoever types something wrong reads one line that says what was expected, and gets exit code 64; whoever
// asks for help gets it.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { makePlace } from "./cli-process.ts";

const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no command", [], /which command/],
  ["an unknown command", ["lokc", "x"], /unknown command 'lokc'.*Did you mean lock/],
  ["an unknown option", ["lock", "x", "--tyr", "--", "true"], /unknown option '--tyr'.*--try/],
  ["no name", ["lock", "--", "true"], /needs a name/],
  ["an empty name", ["lock", "", "--", "true"], /non-empty/],
  ["a name that is too long", ["lock", "x".repeat(1_025), "--", "true"], /at most 1024 bytes/],
  ["an empty namespace", ["lock", "x", "-n", "", "--", "true"], /namespace must be/],
  ["no --", ["lock", "x", "ls", "here"], /needs -- .* leasehold lock "x" -- ls here/],
  ["nothing at all after the name", ["lock", "x"], /needs --/],
  ["no command after --", ["lock", "x", "--"], /needs a command/],
  ["a duration without a unit", ["lock", "x", "--wait", "5", "--", "true"], /--wait .*500ms, 5s.*got "5"/],
  ["no time at all to live", ["lock", "x", "--ttl", "0", "--", "true"], /--ttl .*from 100ms to 1d.*got "0"/],
  ["a negative duration", ["lock", "x", "--wait=-5s", "--", "true"], /--wait .*got "-5s"/],
  ["a TTL out of range", ["lock", "x", "--ttl", "20ms", "--", "true"], /--ttl .*from 100ms to 1d/],
  [
    "a grace that is too long",
    ["lock", "x", "--ttl", "4s", "--grace", "3s", "--", "true"],
    /at most half.*2s/,
  ],
  ["--try with --wait", ["lock", "x", "--try", "--wait", "1s", "--", "true"], /cannot be used with/],
  ["--quiet with --verbose", ["lock", "x", "-qv", "--", "true"], /cannot be used with/],
  ["an unknown scheme", ["lock", "x", "-u", "redis://localhost", "--", "true"], /--url.*got "redis:/],
  ["a URL without a path", ["lock", "x", "-u", "sqlite:", "--", "true"], /path of a file/],
  [
    "a home folder that nobody expands",
    ["lock", "x", "-u", "sqlite:~/x.db", "--", "true"],
    /nobody expands ~/,
  ],
  ["a store in memory", ["lock", "x", "-u", "memory:", "--", "true"], /inside one process/],
];

test.each(wrong)("%s is refused in one line with exit code 64", async (_what, args, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(args);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});

test("with LEASEHOLD_DEBUG an error comes with its stack", async () => {
  await using place = makePlace();
  const { stderr } = await place.run(["lock", "", "--", "true"], { LEASEHOLD_DEBUG: "1" });
  expect(stderr).toMatch(/^leasehold: InvalidArgumentError: .* at /);
});

test("a store that does not answer is told apart from wrong usage", async () => {
  await using place = makePlace();
  const { exitCode, stderr } = await place.run(["lock", "x", "-u", "nats://127.0.0.1:1/b", "--", "true"]);
  expect(stderr).toMatch(/^leasehold: no NATS server answered at 127\.0\.0\.1:1.*\n$/);
  expect(exitCode).toBe(exitCodes.unavailable);
});

test("a damaged store is told apart from one that does not answer", async () => {
  await using place = makePlace();
  const url = new URL("./usage.test.ts", import.meta.url);
  const copy = place.file("text.db");
  await (await import("node:fs/promises")).copyFile(url, copy);
  const { exitCode } = await place.run(["lock", "x", "-u", "sqlite:text.db", "--", "true"]);
  expect(exitCode).toBe(exitCodes.corrupt);
});

test("help and version are printed to stdout", async () => {
  await using place = makePlace();
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const [version, help, lock] = await Promise.all(
    [["--version"], ["--help"], ["help", "lock"]].map((args) => place.run(args)),
  );
  expect(version).toMatchObject({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: "" });
  expect(help).toMatchObject({ exitCode: 0, stderr: "" });
  expect(help?.stdout).toMatch(/lock \[options\] NAME -- COMMAND/);
  expect(lock).toMatchObject({ exitCode: 0, stderr: "" });
  for (const part of ["Examples:", "Exit codes:", "--grace", "LEASEHOLD_FENCE"]) {
    expect(lock?.stdout).toContain(part);
  }
});

test("no line of the help is longer than 80 columns, and every exit code is in it", async () => {
  await using place = makePlace();
  const [{ stdout }, kv] = await Promise.all([place.run(["lock", "--help"]), place.run(["kv", "--help"])]);
  expect(`${stdout}${kv.stdout}`.split("\n").filter((line) => line.length > 80)).toEqual([]);
  for (const code of Object.values(exitCodes)) {
    if (code !== exitCodes.ok) expect(stdout).toMatch(new RegExp(`^ +${code}  `, "m"));
  }
});

test("without a URL the store is a file in the user's state folder, which is created for the user alone", async () => {
  await using place = makePlace();
  const state = place.file("state of mine 100%");
  const print = 'echo "$LEASEHOLD_URL"';
  const { exitCode, stdout } = await place.run(["lock", "x", "--", "sh", "-c", print], {
    LEASEHOLD_URL: "",
    XDG_STATE_HOME: state,
  });
  expect(exitCode).toBe(0);
  expect(readdirSync(`${state}/leasehold`)).toContain("leasehold.db");
  expect(decodeURIComponent(stdout.trim())).toBe(`sqlite:${state}/leasehold/leasehold.db`);
});

test("a relative URL names the same file for a command that changes its folder", async () => {
  await using place = makePlace();
  mkdirSync(place.file("other"));
  const script = `cd other && exec "${process.execPath}" -e 'process.stdout.write(process.env.LEASEHOLD_URL)'`;
  const { stdout } = await place.run(["lock", "x", "-u", "sqlite:./a%20b.db", "--", "sh", "-c", script]);
  expect(decodeURIComponent(stdout)).toBe(`sqlite:${place.folder}/a b.db`);
  expect(readdirSync(place.folder)).toContain("a b.db");
});
