import { mkdir, mkdtemp, open, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../servers/run-command.ts";
import { waitUntil } from "../../servers/wait-until.ts";
import { whenGone } from "./guard.ts";
import { isAlive } from "./processes.ts";

const prefix = "leasehold-disk-";
/** Below this, ext4 has no journal, and no place to speak of. */
const megabytesMin = 8;
const commandTimeoutMs = 20_000;
const busyTimeoutMs = 3_000;

// The servers that were on the disk are ended by guards of their own, at about the same time.
const guardScript = `
tries=0
while mountpoint -q "$1/mounted" && [ $tries -lt 100 ]; do
  umount "$1/mounted" 2>/dev/null || sleep 0.1
  tries=$((tries + 1))
done
mountpoint -q "$1/mounted" && umount -l "$1/mounted"
rm -rf --one-file-system -- "$1"
`;

/** A file system of its own: ext4 on a loop device, whose image is a file. */
export interface LoopDisk {
  /** Where it is mounted. */
  readonly folder: string;
  /** The file that stands for the device. */
  readonly image: string;
  mount(): Promise<void>;
  /** @throws Error with the ids of the processes that use it. */
  unmount(): Promise<void>;
  /** The ids of the processes that have files open on it or stand in one of its folders. */
  users(): Promise<readonly number[]>;
  /**
   * Unmounts it and removes it.
   *
   * @throws Error with the ids of the processes that still used it; it is removed all the same.
   */
  close(): Promise<void>;
}

/** Makes and mounts a disk of a size, 8 MB or more. What a killed test left of others is removed on the way. */
export async function loopDisk(megabytes: number): Promise<LoopDisk> {
  if (!(megabytes >= megabytesMin)) {
    throw new Error(`a disk has ${megabytesMin} MB or more, got ${megabytes}`);
  }
  await removeLeftovers();
  const base = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  const guard = whenGone(guardScript, base);
  const folder = join(base, "mounted");
  const image = join(base, "image");

  async function mount(): Promise<void> {
    // Without the commit that ext4 makes every 5 s, what is not synced is lost for sure and not by chance.
    await run("mount", "-o", "loop,commit=300", image, folder);
  }

  async function unmount(): Promise<void> {
    await waitUntil(() => run("umount", folder), {
      timeoutMs: busyTimeoutMs,
      intervalMs: 50,
      what: `${folder} to be unmounted`,
    }).catch(async (error: Error) => {
      const pids = (await usersOf(folder)).join(", ") || "unknown";
      throw new Error(`${folder} is still used by processes: ${pids}`, { cause: error });
    });
  }

  async function close(): Promise<void> {
    let failure: unknown;
    if (await isMounted(folder)) {
      await unmount().catch(async (error: unknown) => {
        failure = error;
        // Gone from sight now; the device goes with the last process that uses it.
        await run("umount", "--lazy", folder);
      });
    }
    await rm(base, { recursive: true, force: true });
    guard.dismiss();
    if (failure !== undefined) throw failure;
  }

  try {
    await mkdir(folder);
    const file = await open(image, "w");
    await file.truncate(Math.round(megabytes * 1024 * 1024));
    await file.close();
    // No blocks kept back for root, who the tests are; and nothing left to do in the background.
    await run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
    await mount();
  } catch (error) {
    await close();
    throw error;
  }
  return { folder, image, mount, unmount, users: () => usersOf(folder), close };
}

let checked: Promise<string | undefined> | undefined;

/** Why no disk can be mounted here: it is tried out once. */
export function loopDiskMissing(): Promise<string | undefined> {
  checked ??= check();
  return checked;
}

async function check(): Promise<string | undefined> {
  if (process.platform !== "linux") return `loop devices are used on Linux only, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "not root: mounting a disk needs it";
  try {
    await (await loopDisk(megabytesMin)).close();
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("ENOENT")) {
      return `mkfs.ext4 or mount is not installed: apt-get install e2fsprogs mount (${message})`;
    }
    return `no disk can be mounted: ${message.replaceAll("\n", " ").trim()}`;
  }
}

/** Removes the disks of processes that are gone. Another process may do the same at the same time. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const base = join(tmpdir(), name);
    const folder = join(base, "mounted");
    if (await isMounted(folder)) {
      await run("umount", "--lazy", folder).catch(async (error: unknown) => {
        if (await isMounted(folder)) throw error;
      });
    }
    await rm(base, { recursive: true, force: true });
  }
}

async function isMounted(folder: string): Promise<boolean> {
  // As in fstab, white space is written in octal.
  const written = folder.replaceAll(/[ \t\n\\]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
  return (await readFile("/proc/self/mounts", "utf8")).includes(` ${written} `);
}

async function usersOf(folder: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Processes end while they are looked at, and threads of the kernel show nothing.
      const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
      const links = [`/proc/${pid}/cwd`, ...files.map((file) => `/proc/${pid}/fd/${file}`)];
      const targets = await Promise.all(links.map((link) => readlink(link).catch(() => "")));
      const uses = targets.some((target) => target === folder || target.startsWith(`${folder}/`));
      return uses ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

function run(...command: [string, ...string[]]): Promise<unknown> {
  return runCommand(command, { timeoutMs: commandTimeoutMs });
}
