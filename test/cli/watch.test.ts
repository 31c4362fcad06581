// Goal: `leasehold watch` tells every change of what is held, to programs line by line, and ends when it is told to.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { type CliProcess, makePlace } from "./cli-process.ts";

/** The lines of a running program, one after the other. */
function linesOf({ child }: CliProcess): () => Promise<string> {
  if (child.stdout === null) throw new Error("its output is piped");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => String((await lines.next()).value);
}

test("with --json each change is a line: appeared, changed, gone, and nothing for heartbeats", async () => {
  await using place = makePlace();
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "", { ttl: 300 });
  await using other = await connect(place.environment.LEASEHOLD_URL ?? "", { ttl: "5s" });
  const grant = await coordinator.lock("deploy").acquire();
  const watching = place.start(["watch", "dep", "--json", "--interval", "100ms"]);
  const next = linesOf(watching);
  const change = async () => JSON.parse(await next()) as Record<string, unknown>;
  expect(await change()).toMatchObject({
    at: expect.stringMatching(/^\d{4}-.*Z$/),
    change: "appeared",
    inspection: { name: "deploy", holders: [{ fence: grant.fence }], waiters: [] },
  });
  const waiting = other.lock("deploy").acquire();
  expect(await change()).toMatchObject({ change: "changed", inspection: { waiters: [{ ttlMs: 5_000 }] } });
  await grant.release();
  const second = await waiting;
  // Many heartbeats later the next line is still about this.
  const granted = await change();
  expect(granted).toMatchObject({ change: "changed", inspection: { holders: [{ fence: second.fence }] } });
  await second.release();
  expect(await change()).toMatchObject({ change: "gone", inspection: { name: "deploy" } });
  watching.send("SIGTERM");
  const { exitCode, stderr } = await watching.ended;
  expect({ exitCode, stderr }).toEqual({ exitCode: 143, stderr: "" });
});

test("without a terminal each change is a line for people", async () => {
  await using place = makePlace();
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "");
  const grant = await coordinator.lock("deploy").acquire();
  const watching = place.start(["watch", "--interval", "100ms"]);
  const next = linesOf(watching);
  expect(await next()).toMatch(
    new RegExp(`Z  appeared  lock  deploy  \\S+/${process.pid}  .*  ${grant.fence}  0$`),
  );
  await grant.release();
  expect(await next()).toMatch(/Z {2}gone {6}lock {2}deploy/);
  watching.send("SIGINT");
  expect((await watching.ended).exitCode).toBe(130);
});

test("ends when nobody reads it any more", async () => {
  await using place = makePlace();
  await using coordinator = await connect(place.environment.LEASEHOLD_URL ?? "", { ttl: 300 });
  await coordinator.lock("deploy").acquire();
  const watching = place.start(["watch", "--json", "--interval", "100ms"]);
  await linesOf(watching)();
  watching.child.stdout?.destroy();
  const closed = once(watching.child, "exit");
  await coordinator.lock("another").acquire();
  expect(await closed).toEqual([0, null]);
});
