// Goal: the decisions of the command line that need no process are right at their edges.
import { expect, test } from "vitest";
import { absoluteUrl, sqliteUrl, stateFolder } from "../../src/cli/default-store.ts";
import { formatDuration, parseDurationOption, parseLifetimeOption } from "../../src/cli/duration-option.ts";
import { isSameDeadHolder, mayBeDead, observeDeathMs } from "../../src/cli/holders.ts";
import { judgeLease } from "../../src/cli/lease-watch.ts";
import { formatWait } from "../../src/cli/limit-command.ts";
import { tooOldNode } from "../../src/cli/node-version.ts";
import { descendantsOf, parseProcessStatus } from "../../src/cli/process-group.ts";
import { foundUrl } from "../../src/cli/provision-url.ts";
import { splitCommandLine } from "../../src/cli/split-command-line.ts";
import { withoutCredentials } from "../../src/cli/store-option.ts";
import type { InspectedHolder, Inspection } from "../../src/index.ts";

test("only the first -- separates", () => {
  expect(splitCommandLine(["lock", "x", "--", "a", "--", "b"])).toEqual({
    own: ["lock", "x"],
    command: ["a", "--", "b"],
  });
  expect(splitCommandLine(["lock"])).toEqual({ own: ["lock"], command: undefined });
});

test.each([
  [10_000, 5_000, "safe"],
  [5_000, 5_000, "ending"],
  [21, 5_000, "ending"],
  [20, 5_000, "over"],
  [0, 0, "over"],
  [21, 0, "safe"],
])("with %i ms left and a grace of %i ms a lease is %s", (remainingMs, graceMs, verdict) => {
  expect(judgeLease(remainingMs, graceMs).verdict).toBe(verdict);
});

test("the next look is neither after the next decision nor more than a second away", () => {
  expect(judgeLease(10_000, 5_000).lookAgainMs).toBe(1_000);
  expect(judgeLease(5_300, 5_000).lookAgainMs).toBe(300);
  expect(judgeLease(400, 5_000).lookAgainMs).toBe(380);
  expect(judgeLease(400, 0).lookAgainMs).toBe(380);
});

test("who needs another URL is told which one was found, and reads no secret", () => {
  const found = (option: string | undefined, shared?: string) =>
    foundUrl(option, shared === undefined ? {} : { LEASEHOLD_URL: shared }, /^dynamodb:/);
  expect(found(undefined)).toBe("got neither");
  expect(found(undefined, "")).toBe("got neither");
  expect(found("", "sqlite:x.db")).toBe('--url is ""');
  expect(found("dynamodb:x", "sqlite:x.db")).toBe('--url is "dynamodb:x"');
  expect(found(undefined, "nats://me:p@ss@host/b?token=t")).toBe(
    'LEASEHOLD_URL is "nats://***@host/b", of another kind of store',
  );
});

test("durations need a unit and stay in their range", () => {
  expect(parseDurationOption("--wait", "1.5m")).toBe(90_000);
  expect(parseDurationOption("--wait", "0s")).toBe(0);
  // In every unit the same.
  expect(parseDurationOption("--wait", "0")).toBe(0);
  expect(() => parseDurationOption("--ttl", "0", { minMs: 1 })).toThrow(/--ttl must be .* 7d; got "0"/);
  for (const text of ["", "5", "s", "-1s", "1e3ms", "1 s", "Infinity", "1w", "99999999d"]) {
    expect(() => parseDurationOption("--wait", text)).toThrow(/--wait must be/);
  }
});

test("a time to live may have no end; what could mean the opposite is refused", () => {
  expect(["forever", "1.5h"].map((text) => parseLifetimeOption("--keep", text))).toEqual([null, 5_400_000]);
  for (const text of ["", "0", "0s", "ever", "never"]) {
    expect(() => parseLifetimeOption("--keep", text)).toThrow(/--keep must be .* 7d, or forever; got/);
  }
});

test("durations are printed as a person writes them", () => {
  expect([0, 665.7, 1_000, 7_500, 60_000, 5_400_000, 86_400_000].map(formatDuration)).toEqual([
    "0ms",
    "666ms",
    "1s",
    "7.5s",
    "1m",
    "1.5h",
    "1d",
  ]);
});

test("a wait is printed rounded up, but not for what a clock leaves open", () => {
  const days = 2 * 86_400_000;
  expect([days, days + 2, days + 200_000, 1_800_001, 1_799_000, 1_050, 0].map(formatWait)).toEqual([
    ...["2d", "2d", "2.1d", "30m", "30m", "1.1s", "0ms"],
  ]);
});

test("the state folder follows the customs of each system", () => {
  const home = "/h";
  const on = (platform: NodeJS.Platform, environment = {}): string =>
    stateFolder({ platform, home, environment });
  expect(on("linux")).toBe("/h/.local/state/leasehold");
  expect(on("linux", { XDG_STATE_HOME: "/s" })).toBe("/s/leasehold");
  expect(on("linux", { XDG_STATE_HOME: "relative" })).toBe("/h/.local/state/leasehold");
  expect(on("darwin")).toBe("/h/Library/Application Support/leasehold");
  expect(on("win32", { LOCALAPPDATA: "/l" })).toBe("/l/leasehold");
});

test("a Node that is too old is told so, and no other", () => {
  for (const version of ["22.13.0", "22.20.1", "24.0.0-rc.1", "26.1.0"])
    expect(tooOldNode(version)).toBe(null);
  for (const version of ["18.20.0", "20.19.5", "22.12.0"]) {
    expect(tooOldNode(version)).toContain(`needs Node 22.13 or newer; this is ${version}`);
  }
});

test("a URL is made absolute when it names a relative file, and only then", () => {
  expect(absoluteUrl("sqlite:a.db?durable=true", "/b c")).toBe("sqlite:/b%20c/a.db?durable=true");
  expect(absoluteUrl("sqlite:./a.db", "/b")).toBe("sqlite:/b/a.db");
  expect(absoluteUrl("sqlite:../a.db", "/b")).toBe("sqlite:/b/../a.db");
  // The backend refuses these, and must see them as they were written.
  expect(absoluteUrl("sqlite:~/a.db", "/b")).toBe("sqlite:~/a.db");
  expect(absoluteUrl("sqlite::memory:", "/b")).toBe("sqlite::memory:");
  expect(absoluteUrl("sqlite:/a.db", "/b")).toBe("sqlite:/a.db");
  expect(absoluteUrl("sqlite:///a.db", "/b")).toBe("sqlite:///a.db");
  expect(absoluteUrl("nats://h/b", "/b")).toBe("nats://h/b");
  expect(sqliteUrl("/a?b#c%d")).toBe("sqlite:/a%3Fb%23c%25d");
});

test("messages hold no password", () => {
  expect(withoutCredentials("nats://me:s@cret@host:4222/b")).toBe("nats://host:4222/b");
  expect(withoutCredentials("sqlite:/a@b.db")).toBe("sqlite:/a@b.db");
});

test("descendants are found through generations, also in a listing that makes no sense", () => {
  const listing = "  1 0\n 10 1\n 11 10\n 12 11\n 20 1\n garbage\n 0 0\n 11 12\n";
  expect([...descendantsOf(10, listing)].sort()).toEqual([11, 12]);
  expect(descendantsOf(10, "")).toEqual([]);
});

test("the state of a process is read behind a name with spaces and parentheses", () => {
  expect(parseProcessStatus("7 (a) b) Z 1 42 42 0")).toEqual({ state: "Z", group: 42 });
  expect(parseProcessStatus("")).toBeUndefined();
});

const beat = new Date(1_000);
const holder = (change: Partial<InspectedHolder>): InspectedHolder => ({
  session: "s",
  weight: 1,
  client: null,
  ttlMs: 1_000,
  lastBeatAt: beat,
  isOverdue: true,
  fence: 1,
  grantedAt: beat,
  ...change,
});
const held = (...holders: InspectedHolder[]): Inspection => ({
  kind: "lock",
  name: "x",
  fence: 1,
  capacity: 1,
  holders,
  waiters: [],
  forcedReleases: [],
});

test("a holder may be dead only while every sign of life is old", () => {
  const dead = held(holder({}));
  expect(mayBeDead(dead)).toBe(true);
  expect(mayBeDead(held(holder({}), holder({ isOverdue: false })))).toBe(false);
  expect(mayBeDead(null)).toBe(false);
  expect(isSameDeadHolder(dead, dead)).toBe(true);
  expect(isSameDeadHolder(dead, null)).toBe(true);
  expect(isSameDeadHolder(dead, held(holder({ lastBeatAt: null })))).toBe(true);
  expect(isSameDeadHolder(dead, held(holder({ lastBeatAt: new Date(2_000) })))).toBe(false);
  expect(isSameDeadHolder(dead, held(holder({ session: "other" })))).toBe(false);
  expect(observeDeathMs(dead)).toBe(3_000);
});
