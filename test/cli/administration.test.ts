// Goal: `leasehold ls`, `inspect` and `force-release` show what is held, and take it away from a program that runs, as
// an operator would use them; what goes wrong has its exit code.
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { connect } from "../../src/index.ts";
import { gone, makePlace, type Place, shell, untilGo } from "./cli-process.ts";

async function holding(place: Place, name = "deploy", options: readonly string[] = []) {
  const holder = place.start(["lock", name, ...options, ...shell(untilGo)]);
  await place.written("up");
  return holder;
}

test("ls shows what is held, by whom and since when; --all also what nobody holds; a beginning chooses", async () => {
  await using place = makePlace();
  const holder = await holding(place);
  await place.run(["lock", "free", "--", "true"]);
  const [table, all, none] = await Promise.all([
    place.run(["ls"]),
    place.run(["ls", "--all"]),
    place.run(["ls", "x"]),
  ]);
  expect(table).toMatchObject({ exitCode: 0, stderr: "" });
  const [heads, line, ...rest] = table.stdout.split("\n");
  expect(heads).toMatch(/^KIND {2}NAME {4}HELD BY +SINCE +FENCE +WAITING$/);
  expect(line).toMatch(
    new RegExp(`^lock  deploy  \\S+/${holder.child.pid} +\\d{4}-\\d\\d-\\d\\dT[\\d:]+Z  \\d{16}  0$`),
  );
  expect(rest).toEqual([""]);
  expect(all.stdout).toMatch(/^lock {2}free {4}- .*$/m);
  expect(none.stdout).toMatch(/^KIND.*\n$/);
  place.write("go");
  await holder.ended;
  expect((await place.run(["ls", "--json"])).stdout).toBe("[]\n");
});

test("ls --json and inspect --json are what the library answers", async () => {
  await using place = makePlace();
  const holder = await holding(place);
  const listed = JSON.parse((await place.run(["ls", "dep", "-k", "lock", "--json"])).stdout);
  const inspected = JSON.parse((await place.run(["inspect", "deploy", "--json"])).stdout);
  expect(listed).toHaveLength(1);
  expect(listed[0].holders[0].fence).toBe(inspected.holders[0].fence);
  expect(inspected).toMatchObject({
    kind: "lock",
    name: "deploy",
    holders: [{ client: { pid: holder.child.pid }, metadata: { command: "sh" }, isOverdue: false }],
    waiters: [],
    forcedReleases: [],
  });
  expect(await place.run(["inspect", "deploy", "-k", "semaphore", "--json"])).toMatchObject({
    exitCode: 0,
    stdout: "null\n",
  });
});

test("inspect tells a person everything about one lock", async () => {
  await using place = makePlace();
  const holder = await holding(place);
  const { stdout } = await place.run(["inspect", "deploy"]);
  expect(stdout).toMatch(/^lock "deploy": capacity 1, last fence \d{16}\n/);
  expect(stdout).toMatch(
    new RegExp(`\\nheld by \\S+/${holder.child.pid} since .*Z, fence \\d{16}, \\{"command":"sh"\\}\\n$`),
  );
  expect((await place.run(["inspect", "other"])).stdout).toBe(
    'lock "other": nobody ever asked for it, or not for a week; what is no lock needs --kind, and leasehold ls --all ' +
      "shows every name\n",
  );
});

test("force-release stops the program that holds the lock, lets the next one in, and is remembered", async () => {
  await using place = makePlace();
  const script = 'echo $$ > "$FOLDER/pid"; while [ -e "$FOLDER" ]; do sleep 0.05; done';
  const holder = place.start(["lock", "deploy", "--ttl", "1500ms", ...shell(script)]);
  const pid = Number(await place.written("pid"));
  const next = place.start(["lock", "deploy", "--", "true"]);
  const forced = await place.run(["force-release", "deploy", "--reason", "stuck since noon"]);
  expect(forced).toMatchObject({ exitCode: 0, stdout: 'released lock "deploy"\n', stderr: "" });
  expect((await next.ended).exitCode).toBe(0);
  const { exitCode, stderr } = await holder.ended;
  expect(exitCode).toBe(exitCodes.leaseLost);
  expect(stderr).toMatch(/released by force by .*: stuck since noon/);
  await gone(pid);
  const { stdout } = await place.run(["inspect", "deploy"]);
  expect(stdout).toMatch(/released by force at \S+Z by .*\/\d+\)?: stuck since noon \(fence \d{16}\)\n$/);
});

test("force-release of what nobody holds says so; --json and --fence and --ask do what they say", async () => {
  await using place = makePlace();
  const free = await place.run(["force-release", "deploy", "-r", "x"]);
  expect(free).toMatchObject({ exitCode: exitCodes.configuration });
  expect(free.stderr).toMatch(/^leasehold: there is no leasehold store at/);
  await place.run(["lock", "deploy", "--", "true"]);
  expect((await place.run(["force-release", "deploy", "-r", "x"])).stdout).toBe(
    'nobody holds lock "deploy"\n',
  );
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "", { ttl: "1s" });
  const grant = await coordinator.lock("deploy").acquire();
  const asked = await place.run(["force-release", "deploy", "--ask", "-r", "please", "--json"]);
  expect(JSON.parse(asked.stdout)).toEqual({ kind: "lock", name: "deploy", asked: true });
  await new Promise<void>((resolve) => {
    if (grant.revokeRequested.aborted) resolve();
    else grant.revokeRequested.addEventListener("abort", () => resolve());
  });
  expect(grant.revokeRequested.reason.cause).toMatchObject({ reason: "please" });
  const other = ["force-release", "deploy", "-r", "x", "--json", "--fence", String(grant.fence - 1)];
  expect(JSON.parse((await place.run(other)).stdout)).toMatchObject({ released: false });
  expect(grant.state).not.toBe("lost");
  const right = [...other.slice(0, -1), String(grant.fence)];
  expect(JSON.parse((await place.run(right)).stdout)).toMatchObject({ released: true });
});

test("a name cannot move the cursor of a terminal", async () => {
  await using place = makePlace();
  const name = "a\u001b[2J\nb\u202ec";
  await place.run(["lock", name, "--", "true"]);
  const { stdout } = await place.run(["ls", "--all"]);
  expect(stdout).toContain("a\\u{1b}[2J\\u{a}b\\u{202e}c");
});

test("a damaged record hides nothing, and ends with 65", async () => {
  await using place = makePlace();
  const holder = await holding(place);
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "");
  await coordinator.lock("other").hold(() => undefined);
  const database = new DatabaseSync(place.file("store.db"));
  database
    .prepare("UPDATE leasehold_records SET value = ? WHERE key LIKE '%.lock.other'")
    .run(Buffer.from("else"));
  database.close();
  const { exitCode, stdout, stderr } = await place.run(["ls"]);
  expect(exitCode).toBe(exitCodes.corrupt);
  expect(stdout).toMatch(/^lock {2}deploy/m);
  expect(stderr).toMatch(/^leasehold: 1 of the records cannot be read/);
  expect((await place.run(["inspect", "other"])).exitCode).toBe(exitCodes.corrupt);
  place.write("go");
  await holder.ended;
});

test.each([
  ["inspect without a name", ["inspect"], /needs a name/],
  ["two names", ["inspect", "a", "b"], /takes one argument; got "a" "b"/],
  ["two beginnings", ["ls", "a", "b"], /takes one argument/],
  ["an unknown kind", ["ls", "-k", "lokc"], /lock, semaphore/],
  ["force-release without a name", ["force-release", "-r", "x"], /needs a name/],
  ["force-release without a reason", ["force-release", "x"], /needs a reason/],
  ["a fence that is none", ["force-release", "x", "-r", "x", "--fence", "-1"], /fence/],
  ["a command", ["ls", "--", "true"], /runs no command/],
  ["an interval without a unit", ["watch", "-i", "5"], /--interval .*got "5"/],
  ["an interval that is too short", ["watch", "-i", "5ms"], /from 100ms/],
])("%s is refused in one line with exit code 64", async (_what, args, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run(args);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});

test("a store that is not there is not made by looking at it", async () => {
  await using place = makePlace();
  for (const args of [["ls"], ["inspect", "x"], ["watch"]]) {
    expect((await place.run(args)).exitCode).toBe(exitCodes.configuration);
  }
});
