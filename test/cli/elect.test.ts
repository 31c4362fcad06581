// Goal: `leasehold elect` runs a program while this candidate leads, stops it when that is lost, and stands for election
// again; who is told to end does.
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { connect } from "../../src/index.ts";
import { waitUntil } from "../servers/wait-until.ts";
import { forever, makePlace, type Place, shell, untilGo } from "./cli-process.ts";

const patience = { timeoutMs: 20_000, intervalMs: 20 };

async function electionOf(place: Place) {
  const coordinator = await connect(place.environment.LEASEHOLD_URL ?? "", { ttl: "2s" });
  return { coordinator, election: coordinator.election("x") };
}

test("the exit code is passed on, and the command learns its term, identity and store", async () => {
  await using place = makePlace();
  const print =
    'echo "$LEASEHOLD_NAME|$LEASEHOLD_TERM|$LEASEHOLD_FENCE|$LEASEHOLD_IDENTITY|$LEASEHOLD_URL"; exit 7';
  const first = await place.run(["elect", "x", "--identity", "a", ...shell(print)]);
  const second = await place.run(["elect", "x", ...shell(print)]);
  expect([first.exitCode, first.stderr]).toEqual([7, ""]);
  const [name, term, fence, identity, url] = first.stdout.trim().split("|");
  expect([name, identity, url]).toEqual(["x", "a", place.environment.LEASEHOLD_URL]);
  expect(term).toBe(fence);
  expect(Number(second.stdout.split("|")[1])).toBeGreaterThan(Number(term));
});

test("who leads is told with its value, and the next one takes over when the command ends", async () => {
  await using place = makePlace();
  const first = place.start(["elect", "x", "--value", '{"port":80}', "--identity", "a", ...shell(untilGo)]);
  await place.written("up");
  const { coordinator, election } = await electionOf(place);
  await using _closing = coordinator;
  expect(await election.leader()).toMatchObject({
    ...{ identity: "a", value: { port: 80 } },
    client: { pid: first.child.pid },
  });
  const next = place.start([
    "elect",
    "x",
    "--value",
    "10.0.0.5:80",
    ...shell('echo > "$FOLDER/next"; sleep 0.2'),
  ]);
  const refused = await place.run(["elect", "x", "--wait", "200ms", "--", "true"]);
  expect(refused.exitCode).toBe(exitCodes.notAcquired);
  expect(refused.stderr).toMatch(/^leasehold: gave up on election "x" after 200ms: held by/);
  place.write("go");
  expect((await first.ended).exitCode).toBe(0);
  await place.written("next");
  expect((await next.ended).exitCode).toBe(0);
  expect(await election.leader()).toBe(null);
});

const stubborn = `echo $LEASEHOLD_TERM >> "$FOLDER/terms"; ${forever}`;

test("a loss kills the command, and it campaigns again; SIGTERM ends it", async () => {
  await using place = makePlace();
  const run = place.start(["elect", "x", "--ttl", "2s", ...shell(stubborn)]);
  const first = await place.written("terms");
  const { coordinator } = await electionOf(place);
  await using _closing = coordinator;
  await coordinator.forceRelease("x", { kind: "election", reason: "a test" });
  const terms = await waitUntil(
    async () => {
      const text = await place.written("terms");
      return text.trim().split("\n").length === 2 ? text.trim().split("\n") : null;
    },
    { ...patience, what: "a second term" },
  );
  expect(Number(terms[1])).toBeGreaterThan(Number(first));
  run.send("SIGTERM");
  const { exitCode, stderr } = await run.ended;
  expect(exitCode).toBe(143);
  expect(stderr).toMatch(
    /election "x" is lost: killed the command \(SIGKILL\).*a test.*\n.*campaigning again for election "x"\n/s,
  );
});

test("with --once a loss ends it with 76; a command that exits with 76 itself ends it, too", async () => {
  await using place = makePlace();
  const run = place.start(["elect", "x", "--ttl", "2s", "--once", ...shell(stubborn)]);
  await place.written("terms");
  const { coordinator } = await electionOf(place);
  await using _closing = coordinator;
  await coordinator.forceRelease("x", { kind: "election", reason: "a test" });
  expect((await run.ended).exitCode).toBe(exitCodes.leaseLost);
  expect((await place.run(["elect", "y", ...shell("exit 76")])).exitCode).toBe(76);
});

test("a signal while it resigns ends it, although the store does not answer", async () => {
  await using place = makePlace();
  // Ends as soon as it is asked to, so that most of the grace is left to resign in.
  const obedient = `trap 'echo asked > "$FOLDER/asked"; exit 0' TERM; echo up > "$FOLDER/up"; ${forever}`;
  const run = place.start(["elect", "x", "--ttl", "6s", "--grace", "3s", "--verbose", ...shell(obedient)]);
  await place.written("up");
  const database = new DatabaseSync(place.file("store.db"));
  database.exec("BEGIN EXCLUSIVE");
  await place.written("asked");
  await run.told(/the command ended/);
  run.send("SIGTERM");
  const { exitCode, stderr } = await run.ended;
  database.close();
  expect(exitCode).toBe(exitCodes.leaseLost);
  expect(stderr).not.toContain("campaigning again");
});

test("who waits ends with a signal, and leaves the line", async () => {
  await using place = makePlace();
  const leader = place.start(["elect", "x", ...shell(untilGo)]);
  await place.written("up");
  const waiting = place.start(["elect", "x", "--", "true"]);
  const { coordinator, election } = await electionOf(place);
  await using _closing = coordinator;
  const inLine = (count: number) => async () => (await election.inspect())?.waiters.length === count || null;
  await waitUntil(inLine(1), { ...patience, what: "a candidate in line" });
  waiting.send("SIGTERM");
  expect((await waiting.ended).exitCode).toBe(143);
  await waitUntil(inLine(0), { ...patience, what: "an empty line" });
  place.write("go");
  expect((await leader.ended).exitCode).toBe(0);
});

test("--resume takes over from a run that was killed, without waiting for its lease", async () => {
  await using place = makePlace();
  const first = place.start(["elect", "x", "--ttl", "1h", "--identity", "a", ...shell(untilGo)]);
  await place.written("up");
  first.child.kill("SIGKILL");
  await first.exited;
  const again = await place.run([
    "elect",
    "x",
    "--ttl",
    "1h",
    "--identity",
    "a",
    "--resume",
    "--",
    "echo",
    "ran",
  ]);
  expect([again.exitCode, again.stdout]).toEqual([0, "ran\n"]);
});

test("wrong usage is refused with 64, before anything runs", async () => {
  await using place = makePlace();
  for (const args of [
    ["elect"],
    ["elect", "x"],
    ["elect", "x", "--"],
    ["elect", "x", "echo", "--", "ran"],
    ["elect", "x", "--resume", "--", "echo", "ran"],
    ["elect", "x", "--value", "v".repeat(1_025), "--", "echo", "ran"],
    ["elect", "x", "--identity", "", "--", "echo", "ran"],
    ["elect", "", "--", "echo", "ran"],
  ]) {
    expect(await place.run(args)).toMatchObject({ exitCode: exitCodes.usage, stdout: "" });
  }
});
