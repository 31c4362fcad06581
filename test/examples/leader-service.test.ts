// Goal: of three instances of the example service one leads at a time, each /health page says who and since when, and
// neither a killed nor a stopped leader leaves the service without one.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openDuty, refuses } from "../../examples/leader-service/duty.ts";
import { FenceRejectedError } from "../../src/index.ts";
import { waitUntil } from "../servers/wait-until.ts";

const program = fileURLToPath(new URL("../../examples/leader-service/main.ts", import.meta.url));
const demoMs = 60_000;

interface Demo extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  said(): string;
  complained(): string;
  readonly code: Promise<number | null>;
}

function startDemo(...parameters: readonly string[]): Demo {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, complaint] = [child.stdout, child.stderr].map((stream) => {
    const text = { now: "" };
    stream.setEncoding("utf8").on("data", (more: string) => {
      text.now += more;
    });
    return text;
  });
  const code = once(child, "close").then(([status]) => status as number | null);
  return {
    child,
    said: () => output?.now ?? "",
    complained: () => complaint?.now ?? "",
    code,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await code;
    },
  };
}

function folderOf(demo: Demo): string {
  return dirname(/over sqlite:(.+\.db);/.exec(demo.said())?.[1] ?? "");
}

/** Whom every page of one look named, in the order of the looks. */
function leadersIn(text: string): readonly string[] {
  const looks = [
    ...text.matchAll(/(\w+)\/health: (?:I lead|(\w+) leads) since \d\d:\d\d:\d\d\.\d{3}, term (\d+)/g),
  ];
  const byTerm = Map.groupBy(looks, ([, , , term]) => term);
  return [...byTerm.values()].map((pages) => {
    const named = new Set(pages.map(([, instance = "", leader = instance]) => leader));
    expect(named.size).toBe(1);
    return [...named].join();
  });
}

test("a killed leader is replaced, a stopped one hands over, and every page knows", {
  timeout: demoMs,
}, async () => {
  await using demo = startDemo("--ttl", "1000");
  expect(await demo.code).toBe(0);
  expect(demo.complained()).toBe("");
  const text = demo.said();
  const [first, second, third, ...more] = leadersIn(text);
  expect([first, second, third].sort()).toEqual(["alpha", "bravo", "charlie"]);
  expect(more).toEqual([]);
  expect(text).toContain(`SIGKILL: ${first} is dead`);
  const after = new RegExp(`${second} took over, (\\d+\\.\\d\\d) s after the kill`).exec(text)?.[1];
  // How long depends on when the last heartbeat was seen, which on a busy machine may be long ago.
  expect(Number(after)).toBeGreaterThan(0);
  expect(text).toContain(`SIGTERM: ${second} gives up the lead, and ends with exit code 0`);
  expect(text).toMatch(new RegExp(`${third} leads \\d+\\.\\d\\d s after that`));
  expect(text.match(/✓/g)).toHaveLength(5);
  expect(text).not.toContain("FAILED");
  expect(existsSync(folderOf(demo))).toBe(false);
});

test("no instance outlives the demo, however it ends, and no file where it can help it", {
  timeout: demoMs,
}, async () => {
  const patience = { timeoutMs: 20_000, intervalMs: 50 };
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    await using demo = startDemo("--ttl", "60000");
    await waitUntil(async () => demo.said().includes("/health: I lead") || null, {
      ...patience,
      what: "a leader",
    });
    const folder = folderOf(demo);
    expect(existsSync(folder)).toBe(true);
    const pids = [...demo.said().matchAll(/is process (\d+)/g)].map((match) => Number(match[1]));
    demo.child.kill(signal);
    expect(await demo.code).toBe(signal === "SIGINT" ? 130 : null);
    await waitUntil(async () => (pids.some(isAlive) ? null : true), {
      ...patience,
      what: "the instances to end",
    });
    expect(pids).toHaveLength(3);
    expect(existsSync(folder)).toBe(signal === "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

test("a TTL that cannot be used is refused, with the reason", async () => {
  for (const parameters of [["--ttl", "1"], ["--ttl", "soon"], ["--speed", "9"], ["now"]]) {
    await using demo = startDemo(...parameters);
    expect(await demo.code).toBe(64);
    expect(demo.complained()).toMatch(/^error: /);
    expect(demo.said()).toBe("");
  }
});

test("the duty refuses a leader once a later one has claimed it", () => {
  using duty = openDuty(":memory:");
  duty.perform({ fence: 5 }, "alpha");
  duty.perform({ fence: 5 }, "alpha");
  duty.claim({ fence: 6 });
  expect(() => duty.perform({ fence: 5 }, "alpha")).toThrow(FenceRejectedError);
  duty.perform({ fence: 6 }, "bravo");
  expect(duty.count()).toBe(3);
  expect(duty.audit().map(({ leader, fence }) => `${leader} ${fence}`)).toEqual([
    "alpha 5",
    "alpha 5",
    "bravo 6",
  ]);
  expect([refuses(duty, 5), refuses(duty, 6)]).toEqual([true, false]);
});
