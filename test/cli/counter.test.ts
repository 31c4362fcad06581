// Goal: `leasehold counter` changes and shows counters from scripts, as many at once as there are, with exit codes that
// tell a refusal from a failure; what cannot be meant is refused in one line before any store is asked.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { connect } from "../../src/index.ts";
import { makePlace, type Place } from "./cli-process.ts";

/** Runs `leasehold counter` with these words. */
async function run(place: Place, words: string) {
  const { exitCode, stdout, stderr } = await place.run(["counter", ...words.split(" ")]);
  return { exitCode, stdout, stderr };
}
const printed = (stdout: string) => ({ exitCode: 0, stdout: `${stdout}\n`, stderr: "" });

test("an add prints the sum after it", async () => {
  await using place = makePlace();
  expect(await run(place, "add builds")).toEqual(printed("1"));
  expect(await run(place, "add builds 41")).toEqual(printed("42"));
  expect(await run(place, "add builds -50")).toEqual(printed("-8"));
});

test("what is set, compared and reset is what the library sees", async () => {
  await using place = makePlace();
  expect(await run(place, "set builds -7")).toEqual(printed("-7"));
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "");
  expect(await coordinator.counter("builds").get()).toBe(-7);
  expect(await run(place, "compare-and-set builds -7 5")).toEqual(printed("5"));
  expect(await run(place, "get builds --json")).toEqual(printed('{"name":"builds","value":5}'));
  expect(await run(place, "reset builds --json")).toEqual(printed('{"name":"builds","value":0}'));
});

test("programs that add at the same time each get a number of their own", async () => {
  await using place = makePlace();
  const runs = await Promise.all(Array.from({ length: 6 }, () => run(place, "add orders")));
  expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(runs.map(({ stdout }) => stdout).sort()).toEqual(["1\n", "2\n", "3\n", "4\n", "5\n", "6\n"]);
});

test("a bound in the way ends with 75 and changes nothing", async () => {
  await using place = makePlace();
  await run(place, "set seats 1");
  expect(await run(place, "add seats -1 --min 0")).toEqual(printed("0"));
  expect(await run(place, "add seats -1 --min 0")).toEqual({
    exitCode: exitCodes.notAcquired,
    stdout: "",
    stderr: "leasehold: the counter stays as it is: 0 + -1 is below its min, 0\n",
  });
  expect(await run(place, "set seats 9 --max 8")).toMatchObject({
    exitCode: exitCodes.notAcquired,
    stdout: "",
  });
});

test("a value that is not expected ends with 75 and changes nothing", async () => {
  await using place = makePlace();
  expect(await run(place, "compare-and-set seats 1 2")).toEqual({
    exitCode: exitCodes.notAcquired,
    stdout: "",
    stderr: 'leasehold: counter "seats" is not 1; nothing was changed\n',
  });
  expect(await run(place, "compare-and-set seats 1 2 --json")).toEqual({
    exitCode: exitCodes.notAcquired,
    stdout: '{"name":"seats","set":false}\n',
    stderr: "",
  });
  expect(await run(place, "compare-and-set seats 0 2 --json")).toEqual(
    printed('{"name":"seats","value":2,"set":true}'),
  );
});

test("bigints are those of the library, and no numbers", async () => {
  await using place = makePlace();
  expect(await run(place, "add big 99999999999999999999 --bigint")).toEqual(printed("99999999999999999999"));
  expect(await run(place, "add big 1 --bigint --json")).toEqual(
    printed('{"name":"big","value":"100000000000000000000"}'),
  );
  expect(await run(place, "get big")).toMatchObject({ exitCode: exitCodes.corrupt, stdout: "" });
});

test("shards and a time to live are those of the library", async () => {
  await using place = makePlace();
  for (const sum of ["3", "6"]) expect(await run(place, "add likes 3 --shards 4")).toEqual(printed(sum));
  expect(await run(place, "set likes 3 --shards 4")).toMatchObject({ exitCode: exitCodes.configuration });
  expect(await run(place, "add tries --ttl 1h --max 1")).toEqual(printed("1"));
  expect(await run(place, "add tries --ttl 1h --max 1")).toMatchObject({ exitCode: exitCodes.notAcquired });
  expect(await run(place, "add short --ttl 1ms")).toEqual(printed("1"));
  expect(await run(place, "get short --ttl 1ms")).toEqual(printed("0"));
});

test("looking at a counter makes no store", async () => {
  await using place = makePlace();
  expect(await run(place, "get x")).toMatchObject({ exitCode: exitCodes.configuration, stdout: "" });
  expect(existsSync(place.file("store.db"))).toBe(false);
});

test("a name cannot move the cursor of a terminal", async () => {
  await using place = makePlace();
  const { stderr } = await place.run(["counter", "compare-and-set", "a\u001b[2Jb", "1", "2"]);
  expect(stderr).toBe('leasehold: counter "a\\u001b[2Jb" is not 1; nothing was changed\n');
});

test.each([
  ["no action", [], /needs an action: add, get, set, reset, compare-and-set/],
  ["an unknown action", ["increment", "x"], /has no action "increment"; it has add, get/],
  ["an action of every object", ["toString", "x"], /has no action "toString"/],
  ["no name", ["add"], /counter add needs a name: leasehold counter add NAME \[DELTA\]/],
  ["an empty name", ["add", ""], /a counter's name must be a non-empty string/],
  ["a number too many", ["add", "x", "1", "2"], /leasehold counter add NAME \[DELTA\]; got "1" "2"/],
  ["a number too few", ["compare-and-set", "x", "1"], /NAME EXPECTED NEXT; got "1"/],
  ["no value", ["set", "x"], /takes one number: leasehold counter set NAME VALUE; got none/],
  ["a fraction", ["add", "x", "1.5"], /must be a whole number from .*; got "1.5"/],
  ["an exponent", ["add", "x", "1e3"], /must be a whole number/],
  ["a word", ["set", "x", "many"], /must be a whole number/],
  ["2^53", ["set", "x", "9007199254740992"], /Larger ones need --bigint/],
  ["a bigint that is none", ["set", "x", "0x10", "--bigint"], /up to 1,000 digits; got "0x10"/],
  ["a bound that is none", ["add", "x", "--min", "low"], /--min must be a whole number/],
  ["bounds the wrong way round", ["add", "x", "--min", "2", "--max", "1"], /min must not be above max/],
  ["a ttl without a unit", ["add", "x", "--ttl", "5"], /--ttl must be a length of time/],
  ["too many shards", ["add", "x", "--shards", "65"], /shards must be a whole number from 1 to 64; got 65/],
  [
    "shards of bigints",
    ["add", "x", "--shards", "2", "--bigint"],
    /--shards and --bigint do not go together/,
  ],
  ["shards with bounds", ["add", "x", "--shards", "2", "--max", "5"], /in 2 shards cannot have a max/],
  ["a command", ["add", "x", "--", "true"], /runs no command/],
])("%s is refused in one line with exit code 64", async (_what, args, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(["counter", ...args]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});
