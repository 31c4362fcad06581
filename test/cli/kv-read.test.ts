// Goal: what stands in a key-value store, and how it came there, is shown to people as a table and to programs as lines of
// JSON, whatever codec each value was written by, until nobody reads it any more.
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { bytesCodec, connect, textCodec } from "../../src/index.ts";
import { makePlace, type Place } from "./cli-process.ts";
import { linesOf, printed, runShell } from "./kv-shell.ts";

const library = (place: Place) => connect(place.environment.LEASEHOLD_URL ?? "");
const parsed = (lines: string) =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("entries of several codecs are listed together, page after page", async () => {
  await using place = makePlace();
  await using coordinator = await library(place);
  const kv = coordinator.kv("default");
  await kv.setMany(Array.from({ length: 120 }, (_, index) => ({ key: `n-${1_000 + index}`, value: index })));
  const text = await coordinator.kv("default", { codec: textCodec }).set("a", "words", { ttl: "1h" });
  await coordinator.kv("default", { codec: bytesCodec }).set("b", new Uint8Array([255, 0]));
  await coordinator.kv("default").namespace("inner").set("c", "not here");

  const entries = parsed(await printed(place, "leasehold kv ls --json --values"));
  expect(entries).toHaveLength(122);
  expect(entries[0]).toMatchObject({ key: "a", value: "words", codec: "text", size: 5 });
  expect(entries[0]).toHaveProperty("version", text.committed ? text.version : "");
  expect(entries[1]).toMatchObject({ key: "b", value: "/wA=", codec: "bytes", size: 2, ttlMs: null });
  expect(entries.slice(2).map(({ value }) => value)).toEqual(
    Array.from({ length: 120 }, (_, index) => index),
  );

  const keys = await printed(place, "leasehold kv ls n-101 --keys");
  expect(keys.trim().split("\n")).toEqual(Array.from({ length: 10 }, (_, index) => `n-${1_010 + index}`));
  const table = await printed(place, "leasehold kv ls a --values");
  expect(table).toMatch(/^KEY +VERSION +TTL +SIZE +VALUE\na +\S+-\S+ +(1h|59\.\dm|60m) +5 +words\n$/);
  expect(parsed(await printed(place, "leasehold kv ls a --json"))[0]).not.toHaveProperty("value");
  expect(await runShell(place, "leasehold kv ls --codec json")).toMatchObject({
    exitCode: exitCodes.corrupt,
  });
  expect(await printed(place, "leasehold kv ls --json | head -n 1 | wc -l")).toMatch(/^ *1\n$/);
});

test("a value is shown where it was asked for, and a long one is cut in a table", async () => {
  await using place = makePlace();
  const long = "x".repeat(100);
  await place.run(["kv", "set", "long", long]);
  expect(await printed(place, "leasehold kv ls --values")).toMatch(/ x{79}…\n$/);
  expect(await printed(place, "leasehold kv ls")).toMatch(/^KEY +VERSION +TTL +SIZE\nlong +\S+ +- +102\n$/);
  expect(parsed(await printed(place, "leasehold kv ls --values --json"))[0]).toMatchObject({ value: long });
});

test("what was kept of a key is told, deletions included", async () => {
  await using place = makePlace();
  const script = `for value in 1 2; do leasehold kv set k $value --history 3; done; leasehold kv delete k --history 3
    leasehold kv history k`;
  expect(await printed(place, script)).toMatch(
    /^CHANGE +AT +VERSION +VALUE\nput .* 1\nput .* 2\ndelete +\S+Z +\S+-\S+\n$/,
  );
  const past = parsed(await printed(place, "leasehold kv history k --json"));
  expect(past).toMatchObject([
    { operation: "put", value: 1 },
    { value: 2 },
    { operation: "delete", key: "k" },
  ]);
});

test("a namespace is counted whatever stands in it", async () => {
  await using place = makePlace();
  const set = "leasehold kv set a 12; leasehold kv set b 345 -c bytes";
  const table = await printed(place, `${set}; leasehold kv status`);
  await using coordinator = await library(place);
  const { valueBytesMax } = await coordinator.kv("default").status();
  expect(table.split(/ {2,}|\n/)).toEqual([
    ...["NAMESPACE", "BACKEND", "ENTRIES", "BYTES", "VALUES UP TO"],
    ...["default", "sqlite", "2", "5", String(valueBytesMax), ""],
  ]);
  expect(parsed(await printed(place, "leasehold kv status --json"))).toMatchObject([
    { entries: 2, bytes: 5 },
  ]);
});

test("a watch tells what is there and what becomes of it, until it is interrupted", async () => {
  await using place = makePlace();
  await place.run(["kv", "set", "job-1", "queued"]);
  await using coordinator = await library(place);
  const kv = coordinator.kv("default");
  const watching = place.start(["kv", "watch", "job-*"]);
  const next = linesOf(watching);
  expect(await next()).toMatch(/^\S+Z {2}put {5}job-1 {2}queued$/);
  await kv.set("other", 1);
  await kv.set("job-2", { a: "\u001b" });
  expect(await next()).toMatch(/Z {2}put {5}job-2 {2}\{"a":"\\u001b"\}$/);
  await kv.delete("job-1");
  expect(await next()).toMatch(/Z {2}delete {2}job-1$/);
  watching.send("SIGINT");
  const { exitCode, stderr } = await watching.ended;
  expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: "" });
});

test("a watch of texts goes on where another one ended, and ends when nobody reads it any more", async () => {
  await using place = makePlace();
  await using coordinator = await library(place);
  const kv = coordinator.kv("default", { codec: textCodec });
  await kv.set("a", "first");
  const earlier = place.start(["kv", "watch", "--json"]);
  const first = JSON.parse(await linesOf(earlier)());
  expect(first).toMatchObject({ operation: "put", key: "a", value: "first", codec: "text", isInitial: true });
  earlier.child.stdout?.destroy();
  await kv.delete("a");
  await earlier.exited;
  expect(earlier.child.exitCode).toBe(0);
  const later = place.start(["kv", "watch", "--json", "--since", first.cursor]);
  const next = linesOf(later);
  expect(JSON.parse(await next())).toMatchObject({ operation: "delete", key: "a", isInitial: false });
  // No value was told so far, so it is still open which codec it is; then it is not. The removal may come twice.
  await kv.set("b", "second");
  let change = JSON.parse(await next());
  while (change.operation === "delete") change = JSON.parse(await next());
  expect(change).toMatchObject({ operation: "put", key: "b", value: "second" });
  await coordinator.kv("default").set("json", 1);
  expect((await later.ended).exitCode).toBe(exitCodes.corrupt);
});

test.each([
  ["an empty cursor", "--since ''", /cursor/],
  ["a cursor of another watch", "--since nonsense", /cursor/],
  ["a resync that is none", "--resync 5", /--resync must be a length of time/],
  ["two patterns", "a b", /kv watch takes \[PATTERN\]; got "a" "b"/],
])("%s is refused in one line with exit code 64", async (_what, words, message) => {
  await using place = makePlace();
  await place.run(["kv", "set", "k", "v"]);
  const { exitCode, stderr } = await runShell(place, `leasehold kv watch ${words}`);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(exitCode).toBe(exitCodes.usage);
});
