// Goal: `leasehold lock` runs a program as if it stood alone on the command line, and never two under one lock.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { makePlace, shell, untilGo } from "./cli-process.ts";

test("the exit code of the command is passed on", async () => {
  await using place = makePlace();
  expect(await place.run(["lock", "x", ...shell("echo out; echo err >&2; exit 7")])).toEqual({
    exitCode: 7,
    signal: null,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(await place.run(["lock", "x", "--", "true"])).toMatchObject({ exitCode: 0, stderr: "" });
});

test("a command that a signal ended has the exit code that shells give it", async () => {
  await using place = makePlace();
  expect((await place.run(["lock", "x", ...shell("kill -KILL $$")])).exitCode).toBe(137);
});

test("the command learns the name, a fence that rises, and the store", async () => {
  await using place = makePlace();
  const print = 'echo "$LEASEHOLD_NAME|$LEASEHOLD_FENCE|$LEASEHOLD_URL|$LEASEHOLD_NAMESPACE"';
  const fences: number[] = [];
  for (const options of [[], ["--namespace", "app"], []]) {
    const { stdout } = await place.run(["lock", "a name", ...options, ...shell(print)]);
    const [name, fence, url, namespace] = stdout.trim().split("|");
    expect({ name, url, namespace }).toEqual({
      name: "a name",
      url: place.environment.LEASEHOLD_URL,
      namespace: options[1] ?? "",
    });
    fences.push(Number(fence));
  }
  expect(fences[2]).toBeGreaterThan(fences[0] ?? Number.NaN);
});

test("options may stand before and after the name; what follows -- is the command's", async () => {
  await using place = makePlace();
  const { exitCode, stdout } = await place.run([
    "lock",
    "--ttl",
    "5s",
    "x",
    "--wait",
    "5s",
    "--",
    "echo",
    "--ttl",
    "-v",
    "--",
    "--help",
  ]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "--ttl -v -- --help\n" });
});

test("commands under one lock never overlap", async () => {
  await using place = makePlace();
  const script = 'echo start >> "$FOLDER/log"; sleep 0.1; echo end >> "$FOLDER/log"';
  const runs = Array.from({ length: 4 }, () => place.run(["lock", "x", ...shell(script)]));
  for (const { exitCode } of await Promise.all(runs)) expect(exitCode).toBe(0);
  expect(readFileSync(place.file("log"), "utf8")).toBe("start\nend\n".repeat(4));
});

test("the namespace keeps locks of one name apart", async () => {
  await using place = makePlace();
  const holder = place.start(["lock", "x", ...shell(untilGo)]);
  await place.written("up");
  const other = await place.run(["lock", "x", "--try", "-n", "other", ...shell('echo > "$FOLDER/go"')]);
  expect(other.exitCode).toBe(0);
  expect((await holder.ended).exitCode).toBe(0);
});

test("--try and --wait give up with exit code 75, say who holds it, and run nothing", async () => {
  await using place = makePlace();
  const holder = place.start(["lock", "x", ...shell(untilGo)]);
  await place.written("up");
  const who = new RegExp(`held by \\S+/${holder.child.pid} \\(sh\\) since \\d{4}-\\d\\d-\\d\\dT[\\d:]+Z\\n$`);
  const [tried, waited, quiet] = await Promise.all([
    place.run(["lock", "x", "--try", "--", "echo", "ran"]),
    place.run(["lock", "x", "--wait", "200ms", "--", "echo", "ran"]),
    place.run(["lock", "x", "--try", "--quiet", "--", "echo", "ran"]),
  ]);
  expect(tried).toMatchObject({ exitCode: exitCodes.notAcquired, stdout: "" });
  expect(tried.stderr).toMatch(who);
  expect(waited).toMatchObject({ exitCode: exitCodes.notAcquired, stdout: "" });
  expect(waited.stderr).toMatch(/^leasehold: gave up on lock "x" after 200ms: held by/);
  expect(waited.stderr).toMatch(who);
  expect(quiet).toMatchObject({ exitCode: exitCodes.notAcquired, stdout: "", stderr: "" });
  place.write("go");
  expect((await holder.ended).exitCode).toBe(0);
});

test("who waits is silent in a log, and tells with --verbose what for", async () => {
  await using place = makePlace();
  const holder = place.start(["lock", "x", ...shell(untilGo)]);
  await place.written("up");
  const silent = place.start(["lock", "x", "--", "true"]);
  const verbose = place.start(["lock", "x", "-v", "--", "true"]);
  await new Promise<void>((resolve) => {
    verbose.child.stderr?.on("data", (text: string) => text.includes("waiting for") && resolve());
  });
  place.write("go");
  await holder.ended;
  expect(await silent.ended).toMatchObject({ exitCode: 0, stderr: "" });
  const { stderr } = await verbose.ended;
  expect(stderr).toMatch(/waiting for lock "x", held by \S+\/\d+ \((sh|true)\) since /);
  expect(stderr).toMatch(
    /got lock "x" after .*\n.*holding lock "x", fence \d+.*\n.*exit code 0\n.*released lock "x"\n$/,
  );
});

test("a command that would wait for its own end is refused", async () => {
  await using place = makePlace();
  const script = '"$NODE" "$MAIN" lock x -- echo ran';
  const { exitCode, stdout, stderr } = await place.run(["lock", "x", ...shell(script)], {
    NODE: process.execPath,
    MAIN: new URL("../../src/cli/main.ts", import.meta.url).pathname,
    NODE_NO_WARNINGS: "1",
  });
  expect(stderr).toMatch(/runs under lock "x" itself/);
  expect({ exitCode, stdout }).toEqual({ exitCode: exitCodes.usage, stdout: "" });
});

test("a command that is missing, and one that cannot be executed, leave the lock free", async () => {
  await using place = makePlace();
  const missing = await place.run(["lock", "x", "--", "no-such-program"]);
  expect(missing.stderr).toMatch(/^leasehold: the command "no-such-program" was not found.*\n$/);
  expect(missing.exitCode).toBe(exitCodes.notFound);
  const folder = await place.run(["lock", "x", "--", place.folder]);
  expect(folder.stderr).toMatch(/^leasehold: the command .* cannot be executed.*\n$/);
  expect(folder.exitCode).toBe(exitCodes.notExecutable);
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(0);
});

test("the lock is kept until everything in the command's process group has ended", async () => {
  await using place = makePlace();
  const left = `(${untilGo}; echo end >> "$FOLDER/log") & exit 3`;
  const holder = place.start(["lock", "x", ...shell(left)]);
  await place.written("up");
  expect((await place.run(["lock", "x", "--try", "--", "true"])).exitCode).toBe(exitCodes.notAcquired);
  const next = place.start(["lock", "x", ...shell('echo next >> "$FOLDER/log"')]);
  place.write("go");
  expect((await holder.ended).exitCode).toBe(3);
  expect((await next.ended).exitCode).toBe(0);
  expect(readFileSync(place.file("log"), "utf8")).toBe("end\nnext\n");
});
