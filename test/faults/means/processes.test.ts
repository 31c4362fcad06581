// Goal: processes crash, freeze and go on when they are told to, and not before and not after.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { crash, freeze, isAlive, thaw } from "./processes.ts";

const program = `
process.stdin.on("data", () => console.log(performance.now()));
`;

/** A process that gives its monotonic clock whenever it is asked. */
function answering() {
  const child = spawn(process.execPath, ["-e", program]);
  const pid = child.pid as number;
  onTestFinished(async () => {
    if (isAlive(pid)) await crash(pid);
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ask = async () => {
    child.stdin.write("?");
    return Number((await lines.next()).value);
  };
  return { child, pid, ask };
}

test("a frozen process answers nothing, goes on where it was, and its clock went on meanwhile", async () => {
  const { child, pid, ask } = answering();
  const before = await ask();
  await freeze(pid);
  let answered = false;
  const answer = ask().then((value) => {
    answered = true;
    return value;
  });
  const frozenAtMs = performance.now();
  // Another process, started and answering meanwhile, shows that time enough has passed.
  await answering().ask();
  expect(answered).toBe(false);
  expect(isAlive(pid)).toBe(true);
  const frozenMs = performance.now() - frozenAtMs;
  thaw(pid);
  expect((await answer) - before).toBeGreaterThanOrEqual(frozenMs);
  expect(child.exitCode).toBeNull();
});

test("a crashed process is gone, also when it was frozen, and can't be told anything any more", async () => {
  for (const isFrozen of [false, true]) {
    const { child, pid, ask } = answering();
    await ask();
    if (isFrozen) await freeze(pid);
    await crash(pid);
    expect(isAlive(pid)).toBe(false);
    expect(child.signalCode).toBe("SIGKILL");
    await expect(crash(pid)).rejects.toThrow("ESRCH");
    await expect(freeze(pid)).rejects.toThrow("ESRCH");
    expect(() => thaw(pid)).toThrow("ESRCH");
  }
});
