// Goal: a command never runs on when its lock is lost: it is asked before the lease ends, killed when it is over,
// and the exit code says so. What dies without a word is taken over from.
import { readFileSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { sharedNowMs } from "../crash/worker-process.ts";
import { forever, gone, makePlace, type Place, shell, stopped } from "./cli-process.ts";

const stubborn = `trap 'echo asked > "$FOLDER/asked"' TERM
  (trap "" TERM; sh -c 'echo $$ > "$FOLDER/grandchild"; ${forever}') & echo $$ > "$FOLDER/child"; ${forever}`;
const writeFence = 'echo $LEASEHOLD_FENCE > "$FOLDER/second"';

function removeStore(place: Place): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(place.file(`store.db${suffix}`), { force: true });
}

test("a store that vanished: the command is asked to stop before the lease ends, and has the grace for it", async () => {
  await using place = makePlace();
  const script = `trap 'sleep 0.2; echo done > "$FOLDER/done"; exit 0' TERM; echo up > "$FOLDER/up"; ${forever}`;
  const run = place.start(["lock", "x", "--ttl", "3s", "--grace", "1500ms", ...shell(script)]);
  await place.written("up");
  removeStore(place);
  const { exitCode, stderr } = await run.ended;
  expect(exitCode).toBe(exitCodes.leaseLost);
  expect(stderr).toMatch(
    /lock "x" was not renewed and ends in (1(\.\d)?s|\d+ms): asked the command to stop \(SIGTERM\)/,
  );
  expect(stderr).not.toContain("SIGKILL");
  expect(readFileSync(place.file("done"), "utf8")).toBe("done\n");
});

test.each(["--foreground", "--no-foreground"])(
  "a command that does not stop is killed by the end of the lease, with what it started (%s)",
  async (mode) => {
    await using place = makePlace();
    const ttlMs = 2_000;
    const run = place.start(["lock", "x", "--ttl", `${ttlMs}ms`, mode, ...shell(stubborn)]);
    const [child, grandchild] = await Promise.all([place.written("child"), place.written("grandchild")]);
    removeStore(place);
    const removedAtMs = sharedNowMs();
    await place.written("asked");
    await Promise.all([gone(Number(child)), gone(Number(grandchild))]);
    // The last renewal was sent before the store went; a busy machine may see the end late.
    expect(sharedNowMs() - removedAtMs).toBeLessThan(ttlMs + 500);
    const { exitCode, stderr } = await run.ended;
    expect(exitCode).toBe(exitCodes.leaseLost);
    expect(stderr.match(/SIGTERM/g)).toHaveLength(1);
    expect(stderr.match(/lock "x" is lost: killed the command \(SIGKILL\): (its|session)/g)).toHaveLength(1);
  },
);

test("leasehold stopped past the TTL: the command is killed at once when it goes on", async () => {
  await using place = makePlace();
  const script = `trap 'echo asked > "$FOLDER/asked"' TERM
    echo $LEASEHOLD_FENCE > "$FOLDER/first"; echo $$ > "$FOLDER/child"; ${forever}`;
  const run = place.start(["lock", "x", "--ttl", "1s", ...shell(script)]);
  const child = Number(await place.written("child"));
  run.send("SIGSTOP");
  const next = await place.run(["lock", "x", "--ttl", "1s", ...shell(writeFence)]);
  expect(next.exitCode).toBe(0);
  run.send("SIGCONT");
  const { exitCode, stderr } = await run.ended;
  expect(exitCode).toBe(exitCodes.leaseLost);
  expect(stderr).toMatch(/^leasehold: lock "x" is lost: killed the command \(SIGKILL\).*\n$/);
  await gone(child);
  expect(Number(await place.written("second"))).toBeGreaterThan(Number(await place.written("first")));
});

test("leasehold killed: another takes the lock over after the TTL, with a larger fence", async () => {
  await using place = makePlace();
  const script = `echo $LEASEHOLD_FENCE > "$FOLDER/first"; echo $$ > "$FOLDER/child"; ${forever}`;
  const run = place.start(["lock", "x", "--ttl", "1s", ...shell(script)]);
  const child = Number(await place.written("child"));
  run.send("SIGKILL");
  await run.exited;
  expect((await place.run(["lock", "x", "--ttl", "1s", ...shell(writeFence)])).exitCode).toBe(0);
  expect(Number(await place.written("second"))).toBeGreaterThan(Number(await place.written("first")));
  // Documented: nobody is left to stop it.
  process.kill(child, "SIGKILL");
  await gone(child);
});

test("--try takes over from a holder that died, once its last heartbeat is older than its TTL", async () => {
  await using place = makePlace();
  const run = place.start(["lock", "x", "--ttl", "600ms", ...shell(`echo $$ > "$FOLDER/child"; ${forever}`)]);
  const child = Number(await place.written("child"));
  run.send("SIGKILL");
  await run.exited;
  process.kill(child, "SIGKILL");
  const outcomes: (number | null)[] = [];
  while (outcomes.at(-1) !== 0 && outcomes.length < 10) {
    outcomes.push((await place.run(["lock", "x", "--try", "--ttl", "600ms", "--", "true"])).exitCode);
  }
  expect(outcomes.slice(0, -1).every((code) => code === exitCodes.notAcquired)).toBe(true);
  expect(outcomes.at(-1)).toBe(0);
});

test("--try does not wait for a holder whose heart still beats", async () => {
  await using place = makePlace();
  const holder = place.start([
    "lock",
    "x",
    "--ttl",
    "30s",
    ...shell('echo up > "$FOLDER/up"; exec sleep 60'),
  ]);
  await place.written("up");
  const startedAtMs = sharedNowMs();
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(exitCodes.notAcquired);
  expect(sharedNowMs() - startedAtMs).toBeLessThan(10_000);
  holder.send("SIGTERM");
  expect((await holder.ended).exitCode).toBe(143);
});

test("stopped by the keyboard, leasehold stops the command too, and kills it when that took too long", async () => {
  await using place = makePlace();
  // Without a loop: a shell that is stopped while it starts a program looks busy.
  const script = 'echo $$ > "$FOLDER/child"; exec sleep 30';
  const run = place.start(["lock", "x", "--ttl", "1s", ...shell(script)]);
  const child = Number(await place.written("child"));
  run.send("SIGTSTP");
  await stopped(child);
  await stopped(run.child.pid ?? 0);
  expect((await place.run(["lock", "x", "--ttl", "1s", "--", "true"])).exitCode).toBe(0);
  run.send("SIGCONT");
  expect((await run.ended).exitCode).toBe(exitCodes.leaseLost);
  await gone(child);
});
