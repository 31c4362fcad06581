// Goal: shell scripts write and read values without knowing JSON, and what they write is what programs read; conditions
// and missing keys have exit codes of their own; nothing that a shell can hold is changed on the way.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { failureOf } from "../../src/cli/failure.ts";
import { parseValue } from "../../src/cli/kv-space.ts";
import { createProgram } from "../../src/cli/program.ts";
import { bytesCodec, connect, jsonCodec, textCodec } from "../../src/index.ts";
import { makePlace, type Place } from "./cli-process.ts";
import { printed, runShell } from "./kv-shell.ts";

/** The library, on the same store. */
const library = (place: Place) => connect(place.environment.LEASEHOLD_URL ?? "");

test.each<readonly [string, unknown]>([
  ["hello", "hello"],
  ["two words ", "two words "],
  ["", ""],
  ["42", 42],
  ["42\n", 42],
  ["-7.5", -7.5],
  ["1.10", "1.10"],
  ["007", "007"],
  ["1e400", "1e400"],
  ["12345678901234567890", "12345678901234567890"],
  ["true", true],
  ["null", null],
  ['{"a": [1, "é"]}', { a: [1, "é"] }],
  ['{"a"', '{"a"'],
  ['"quoted"', "quoted"],
  ["NaN", "NaN"],
])("the shell's text %j means what it looks like, and no digit of it is lost", async (text, value) => {
  expect(await parseValue(Buffer.from(text), undefined)).toEqual({ codec: "json", value });
});

test("what a shell sets is what programs read, and what a shell gets", async () => {
  await using place = makePlace();
  const script = `set -e
    leasehold kv set greeting hello
    leasehold kv set --ttl 1h price 1.10
    leasehold kv set user '{"name": "ada"}'
    leasehold kv set -- flag --help
    for key in greeting price user flag; do leasehold kv get $key; done`;
  expect(await printed(place, script)).toBe('hello\n1.10\n{"name":"ada"}\n--help\n');
  await using coordinator = await library(place);
  const entries = await coordinator.kv("default").getMany(["greeting", "price", "user", "flag"]);
  expect(entries.map((entry) => entry?.value)).toEqual(["hello", "1.10", { name: "ada" }, "--help"]);
});

test("a value comes from a file or from standard input, and bytes come out as they went in", async () => {
  await using place = makePlace();
  const bytes = Buffer.from([0, 255, 10, 13, 128, 254, 0]);
  writeFileSync(place.file("logo"), bytes);
  const script = `set -e
    leasehold kv set logo --file logo --codec bytes
    leasehold kv get logo > copy
    leasehold kv get logo | leasehold kv set logo-2 -c bytes
    printf 'a\\nb' | leasehold kv set piped -
    leasehold kv set empty - < /dev/null
    leasehold kv get piped`;
  expect(await printed(place, script)).toBe("a\nb\n");
  expect(readFileSync(place.file("copy"))).toEqual(bytes);
  await using coordinator = await library(place);
  const copies = coordinator.kv("default", { codec: bytesCodec });
  expect((await copies.get("logo-2"))?.value).toEqual(new Uint8Array(bytes));
  expect((await coordinator.kv("default").get("empty"))?.value).toBe("");
  expect(await printed(place, "leasehold kv get logo --json")).toMatch(
    /"codec":"bytes","size":7,"value":"AP8KDYD\+AA=="/,
  );
});

test("a value of any codec is read, and one that is asked for by another is refused", async () => {
  await using place = makePlace();
  {
    await using coordinator = await library(place);
    await coordinator.kv("default", { codec: textCodec }).set("text", "42 ");
    await coordinator.kv("default", { codec: jsonCodec({ extended: true }) }).set("date", new Date(0));
  }
  expect(await printed(place, "leasehold kv get text")).toBe("42 \n");
  expect(await printed(place, "leasehold kv get date")).toBe('{"$date":"1970-01-01T00:00:00.000Z"}\n');
  expect(await runShell(place, "leasehold kv get text --codec json")).toEqual({
    exitCode: exitCodes.corrupt,
    stdout: Buffer.of(),
    stderr:
      'leasehold: the value of "text" cannot be read: it was written by a codec of type "text", and this store\'s is ' +
      '"json". What is stored stays as it is\n',
  });
  expect(await runShell(place, "leasehold kv increment text")).toMatchObject({ exitCode: exitCodes.corrupt });
});

test("a condition that does not hold changes nothing and ends with 75", async () => {
  await using place = makePlace();
  expect(await printed(place, "leasehold kv set a 1 --if-absent")).toBe("");
  expect(await printed(place, "leasehold kv set a 2 --if-absent")).toBe(
    'leasehold: "a" is there already; nothing was changed\nexit 75\n',
  );
  expect(await printed(place, "leasehold kv set b 2 --if-present")).toBe(
    'leasehold: "b" is not there; nothing was changed\nexit 75\n',
  );
});

test("a version holds until the next write, whatever is written", async () => {
  await using place = makePlace();
  const version = (await printed(place, "leasehold kv set a 1 --print-version")).trim();
  expect(await printed(place, `leasehold kv set a 2 --if-version ${version}`)).toBe("");
  const stale = `leasehold: "a" is not of version ${version}; nothing was changed\nexit 75\n`;
  // Also where another codec's value stands in the way.
  for (const action of ["set a 3 --codec text", "delete a"])
    expect(await printed(place, `leasehold kv ${action} --if-version ${version}`)).toBe(stale);
  const swap = `leasehold kv delete a --if-version "$(leasehold kv set a 5 --print-version)"`;
  expect(await printed(place, swap)).toBe("");
});

test("of programs that set a key at once if it is not there, one does", async () => {
  await using place = makePlace();
  const runs = await Promise.all(
    [1, 2, 3, 4].map((n) => place.run(["kv", "set", "who", `n-${n}`, "--if-absent"])),
  );
  expect(runs.map(({ exitCode }) => exitCode).sort()).toEqual([0, 75, 75, 75]);
  const winner = runs.findIndex(({ exitCode }) => exitCode === 0) + 1;
  expect(await printed(place, "leasehold kv get who")).toBe(`n-${winner}\n`);
});

test("a key that is not there ends with 66, whatever is asked of it", async () => {
  await using place = makePlace();
  await place.run(["kv", "set", "here", "1"]);
  const missing = 'leasehold: "gone" is not in the namespace "default"\nexit 66\n';
  for (const action of ["get gone", "delete here gone", "expire gone 5m"])
    expect(await printed(place, `leasehold kv ${action}`)).toBe(missing);
  // The other one was deleted all the same.
  expect(await runShell(place, "leasehold kv get here")).toMatchObject({ exitCode: exitCodes.missing });
});

test("sums are those of the library, and live as long as they are told when they begin", async () => {
  await using place = makePlace();
  await using coordinator = await library(place);
  const kv = coordinator.kv("default");
  expect(await printed(place, "leasehold kv increment n && leasehold kv increment n -5 --ttl 1h")).toBe(
    "1\n-4\n",
  );
  expect(await kv.ttl("n")).toBeNull();
  expect(await printed(place, "leasehold kv increment m 0.5 --initial 10 --ttl 1h")).toBe("10.5\n");
  expect(await kv.ttl("m")).toBeGreaterThan(3_500_000);
});

test("times to live and erasure are those of the library, and forever may be written in two words", async () => {
  await using place = makePlace();
  await using coordinator = await library(place);
  const kv = coordinator.kv("default");
  await kv.setMany(["m", "n"].map((key) => ({ key, value: 1, ttl: "2h" })));
  expect(await printed(place, "leasehold kv expire m forever; leasehold kv expire n 1h")).toBe("");
  expect(await kv.ttl("m")).toBeNull();
  expect(await kv.ttl("n")).toBeGreaterThan(3_500_000);
  expect(await printed(place, "leasehold kv set n 1 --ttl forever")).toBe("");
  expect(await kv.ttl("n")).toBeNull();
  expect(await printed(place, "leasehold kv set short 1 --ttl 1ms; leasehold kv get short")).toMatch(
    /exit 66\n$/,
  );
  expect(await printed(place, "leasehold kv purge n; leasehold kv clear --yes")).toBe("1 entry deleted\n");
  expect(await kv.keys().page()).toEqual({ items: [] });
});

test("a namespace within another is not the one with a slash in its name", async () => {
  await using place = makePlace();
  const script = `leasehold kv set k nested -s a/b; leasehold kv -s a%2fb set k flat; leasehold kv set k percent -s 100%25`;
  expect(await printed(place, script)).toBe("");
  await using coordinator = await library(place);
  expect((await coordinator.kv("a").namespace("b").get("k"))?.value).toBe("nested");
  expect((await coordinator.kv("a/b").get("k"))?.value).toBe("flat");
  expect((await coordinator.kv("100%").get("k"))?.value).toBe("percent");
  const other = await place.run(["kv", "get", "k", "-s", "a/b", "-n", "elsewhere"]);
  expect(other).toMatchObject({ exitCode: exitCodes.missing });
});

test("who only looks or deletes makes no store", async () => {
  await using place = makePlace();
  for (const action of ["kv get k", "kv ls", "kv delete k", "ls"]) {
    const { exitCode, stderr } = await runShell(place, `leasehold ${action}`);
    // What it says is what a shell can do.
    expect(stderr).toBe(
      `leasehold: there is no leasehold store at ${place.file("store.db")}; create it with a command that writes ` +
        "(leasehold kv set, leasehold lock), or name another one with --url or LEASEHOLD_URL\n",
    );
    expect(exitCode).toBe(exitCodes.configuration);
  }
  expect(existsSync(place.file("store.db"))).toBe(false);
});

test("a key cannot move the cursor of a terminal", async () => {
  await using place = makePlace();
  await place.run(["kv", "set", "a\u001bb", "c\u001bd"]);
  const { stderr } = await place.run(["kv", "set", "a\u001bb", "1", "--if-absent"]);
  expect(stderr).toBe('leasehold: "a\\u001bb" is there already; nothing was changed\n');
  expect(await printed(place, "leasehold kv ls --values")).toMatch(/a\\u\{1b\}b .* c\\u\{1b\}d\n$/);
});

test.each([
  ["no action", "", /needs an action: get, set, delete, ls, watch/],
  ["an unknown action", "put k v", /has no action "put"; it has get, set/],
  ["no key", "get", /kv get takes KEY; got nothing/],
  ["an empty key", "set '' v", /must be a non-empty string/],
  ["a word too many", "set k two words", /takes KEY \[VALUE\]; got "k" "two" "words". Put what has spaces/],
  ["two values", "set k v --file f", /--file has the value already/],
  ["a file that is not there", "set k --file nowhere", /"nowhere" cannot be read \(ENOENT\)/],
  ["a folder", "set k --file /", /cannot be read \(EISDIR\)/],
  ["bytes that are no text", "set k --file /bin/sh", /not UTF-8. With --codec bytes anything is stored/],
  ["what is no JSON", "set k hello --codec json", /cannot be stored as json: the bytes are not JSON/],
  ["JSON that pollutes", 'set k {"__proto__":1}', /changes prototypes/],
  ["a ttl without a unit", "set k v --ttl 5", /--ttl must be a length of time/],
  ["no time to live", "set k v --ttl 0s", /--ttl must be a length of time from 1ms/],
  ["no time to live, for what lives forever", "expire k 0", /DURATION must be .*7d, or forever; got "0"/],
  ["a version of nothing", "set k v --if-version ''", /is empty: was the key there\? .* --if-absent/],
  ["a deletion of no version", "delete k --if-version ''", /is empty: .* there is nothing to delete/],
  ["a version of several keys", "delete a b --if-version x", /of one key/],
  ["an empty namespace", "get k --store ''", /--store must be a name/],
  ["an empty name within", "get k --store a//b", /--store must be a name/],
  ["a namespace with a percent sign", "get k --store 100%", /%25 a %; got "100%"/],
  ["a duration that is none", "expire k soon", /DURATION must be a length of time/],
  ["a sum of words", "increment k many", /BY must be a number; got "many"/],
  ["too long a history", "set k v --history 65", /history must be a whole number from 1 to 64/],
  ["clear by mistake", "clear", /deletes every entry of the namespace: add --yes/],
])("%s is refused with exit code 64", async (_what, words, message) => {
  await using place = makePlace();
  const exitWith = (): void => undefined;
  const program = createProgram({ command: undefined, environment: place.environment, exitWith });
  const args = words.split(" ").map((word) => (word === "''" ? "" : word));
  const error = await program.parseAsync(["kv", ...args.slice(words === "" ? 1 : 0)], { from: "user" }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(failureOf(error, {})).toMatchObject({
    exitCode: exitCodes.usage,
    message: expect.stringMatching(message),
  });
});

test.each([
  ["no value at all", ["set", "k"], /needs a value: as an argument \(''/],
  ["two conditions", ["set", "k", "v", "--if-absent", "--if-present"], /cannot be used with/],
  [
    "an unknown codec",
    ["set", "k", "v", "--codec", "yaml"],
    /'yaml' is invalid.*json, text, bytes, extended-json; see --help\n$/,
  ],
])("%s is refused in one line", async (_what, words, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(["kv", ...words]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});
