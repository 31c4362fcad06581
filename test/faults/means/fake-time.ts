import { execFile } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { whenGone } from "./guard.ts";

/** Where distributions put the library; Debian and Ubuntu below a folder for the processor. */
const libraryFolders = ["/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"];
const libraryName = "faketime/libfaketimeMT.so.1";
/** In /proc, Linux counts times in hundredths of a second, whatever its own clock does. */
const ticksPerSecond = 100;
const checkTimeoutMs = 20_000;

/**
 * The wall clock of one child process. Its monotonic clock, and with it all timers, stay true. Clocks move when a
 * method returns.
 */
export interface FakeTime extends Disposable {
  /** For the environment of the child, besides its own. */
  readonly env: Readonly<Record<string, string>>;
  /** Moves the clock from where it stands, back too. */
  jump(offsetSeconds: number): void;
  /**
   * Lets the clock run so many times as fast from now on, without a jump. The library counts from the start of the
   * process: once it runs, its id is needed. The clock is then right to about 20 ms times the change of the rate.
   */
  rate(factor: number, pid?: number): void;
  /** Sets the clock right and lets it run as it should. */
  restore(): void;
  /** Removes its file; a child that still runs keeps the clock that it has. */
  close(): void;
}

/**
 * Takes over the wall clock of one child process by libfaketime. Only for programs that ask the C library for the
 * time: Node does, Go programs such as NATS don't.
 *
 * @throws Error that says what to install.
 */
export function fakeTime(): FakeTime {
  const library = findLibrary();
  if (library === undefined) throw new Error(notInstalled);
  const folder = mkdtempSync(join(tmpdir(), `leasehold-clock-${process.pid}-`));
  const guard = whenGone('rm -rf -- "$1"', folder);
  const file = join(folder, "clock");
  // The clock shows `shiftMs` more than the true one at `sinceMs`, and drifts away from there.
  let shiftMs = 0;
  let sinceMs = Date.now();
  let factor = 1;
  let bornAtMs: number | undefined;

  function set(nextShiftMs: number, nextFactor: number): void {
    const nowMs = Date.now();
    // The library shows: its own start, plus the offset, plus what passed since then times the rate.
    const ageMs = nowMs - (bornAtMs ?? nowMs);
    const offset = (nextShiftMs - ageMs * (nextFactor - 1)) / 1_000;
    // A rate that is left out keeps the last one. Replaced as a whole: the child reads it all the time.
    writeFileSync(`${file}.next`, `${offset < 0 ? "" : "+"}${offset.toFixed(6)} x${nextFactor}`);
    renameSync(`${file}.next`, file);
    shiftMs = nextShiftMs;
    sinceMs = nowMs;
    factor = nextFactor;
  }

  const currentShiftMs = () => shiftMs + (bornAtMs === undefined ? 0 : (Date.now() - sinceMs) * (factor - 1));

  function close(): void {
    guard.dismiss();
    rmSync(folder, { recursive: true, force: true });
  }

  set(0, 1);
  const preload = [library, process.env.LD_PRELOAD].filter(Boolean).join(":");
  return {
    env: {
      LD_PRELOAD: preload,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
    jump(offsetSeconds) {
      if (!Number.isFinite(offsetSeconds)) throw new Error(`a jump must be a number, got ${offsetSeconds}`);
      set(currentShiftMs() + offsetSeconds * 1_000, factor);
    },
    rate(nextFactor, pid) {
      if (!(nextFactor > 0 && nextFactor < Number.POSITIVE_INFINITY)) {
        throw new Error(`a rate must be more than 0 and finite, got ${nextFactor}`);
      }
      if (pid !== undefined && bornAtMs === undefined) {
        bornAtMs = Date.now() - ageOfProcessMs(pid);
        // It has drifted from its start on, if a rate was set before that.
        sinceMs = bornAtMs;
      }
      set(currentShiftMs(), nextFactor);
    },
    restore: () => set(0, 1),
    close,
    [Symbol.dispose]: close,
  };
}

const notInstalled = "libfaketime is not installed: apt-get install libfaketime";
let checked: Promise<string | undefined> | undefined;

/** Why clocks can't be faked here: it is tried out once. */
export function missing(): Promise<string | undefined> {
  checked ??= check();
  return checked;
}

async function check(): Promise<string | undefined> {
  if (process.platform !== "linux") return `libfaketime is used on Linux only, this is ${process.platform}`;
  if (findLibrary() === undefined) return notInstalled;
  using time = fakeTime();
  time.jump(-1_000_000);
  const before = Date.now();
  const options = { env: { ...process.env, ...time.env }, timeout: checkTimeoutMs };
  const { stdout } = await promisify(execFile)(process.execPath, ["-p", "Date.now()"], options);
  const moved = (Number(stdout) - before) / 1_000;
  // Some builds of Node bring a C library of their own.
  return Math.abs(moved + 1_000_000) < 60
    ? undefined
    : `libfaketime does not move the clock of ${process.execPath}: by ${moved} s instead of -1000000`;
}

function findLibrary(): string | undefined {
  for (const folder of libraryFolders) {
    if (!existsSync(folder)) continue;
    const below = readdirSync(folder).filter((name) => name.endsWith("-linux-gnu"));
    const found = ["", ...below]
      .map((name) => join(folder, name, libraryName))
      .find((path) => existsSync(path));
    if (found !== undefined) return found;
  }
  return undefined;
}

function ageOfProcessMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, the second field, stands in parentheses and may hold anything; the start is the twenty-second.
  const startTicks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const uptimeSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return (uptimeSeconds - startTicks / ticksPerSecond) * 1_000;
}
