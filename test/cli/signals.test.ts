// Goal: signals that reach leasehold reach the command and all that it started, and nothing is released too early.
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { forever, gone, isRunning, makePlace, shell, untilGo } from "./cli-process.ts";

/** Two generations; both write their process ids first. */
const family = `(exec sh -c 'echo $$ > "$FOLDER/grandchild"; ${forever}') & echo $$ > "$FOLDER/child"; wait`;

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
  ["SIGQUIT", 131],
  ["SIGUSR1", 138],
  ["SIGUSR2", 140],
] as const)("%s is passed on to the command, whose end makes exit code %i", async (signal, exitCode) => {
  await using place = makePlace();
  const run = place.start([
    "lock",
    "x",
    ...shell(`echo up > "$FOLDER/up"; exec "${process.execPath}" -e '
    setInterval(() => {}, 1000); process.once("${signal}", () => process.kill(process.pid, "${signal}"));
    require("fs").writeFileSync(process.env.FOLDER + "/ready", "yes")'`),
  ]);
  await place.written("ready");
  run.send(signal);
  expect((await run.ended).exitCode).toBe(exitCode);
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(0);
});

test("a signal reaches what the command started, and the lock is free only after the last of them", async () => {
  await using place = makePlace();
  const run = place.start(["lock", "x", ...shell(family)]);
  const [child, grandchild] = await Promise.all([place.written("child"), place.written("grandchild")]);
  run.send("SIGTERM");
  expect((await run.ended).exitCode).toBe(143);
  expect([child, grandchild].map((id) => isRunning(Number(id)))).toEqual([false, false]);
});

test("a command may take its time to end, and holds the lock until then", async () => {
  await using place = makePlace();
  const script = `trap 'echo asked > "$FOLDER/asked"; while [ -e "$FOLDER" ] && [ ! -e "$FOLDER/go" ]; do sleep 0.02; done; exit 5' TERM
    echo up > "$FOLDER/up"; ${forever}`;
  const run = place.start(["lock", "x", ...shell(script)]);
  await place.written("up");
  run.send("SIGTERM");
  await place.written("asked");
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(exitCodes.notAcquired);
  place.write("go");
  expect((await run.ended).exitCode).toBe(5);
});

test("who is told to stop while waiting leaves the line", async () => {
  await using place = makePlace();
  const holder = place.start(["lock", "x", ...shell(untilGo)]);
  await place.written("up");
  const waiter = place.start(["lock", "x", "-v", "--", "echo", "ran"]);
  await new Promise<void>((resolve) => {
    waiter.child.stderr?.on("data", (text: string) => text.includes("waiting for") && resolve());
  });
  waiter.send("SIGTERM");
  expect(await waiter.ended).toMatchObject({ exitCode: 143, stdout: "" });
  place.write("go");
  expect((await holder.ended).exitCode).toBe(0);
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(0);
});

test("in the foreground only what the keyboard cannot send is passed on", async () => {
  await using place = makePlace();
  const script = `trap 'echo INT >> "$FOLDER/log"' INT; trap 'echo HUP >> "$FOLDER/log"' HUP
    trap 'echo TERM >> "$FOLDER/log"; exit 9' TERM; echo $$ > "$FOLDER/child"; ${forever}`;
  const run = place.start(["lock", "x", "--foreground", ...shell(script)]);
  const child = Number(await place.written("child"));
  run.send("SIGINT");
  run.send("SIGHUP");
  expect(await place.written("log")).toBe("HUP\n");
  run.send("SIGTERM");
  expect((await run.ended).exitCode).toBe(9);
  await gone(child);
});
