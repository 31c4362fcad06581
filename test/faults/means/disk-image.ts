import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runCommand } from "../../servers/run-command.ts";
import { loopDisk, loopDiskMissing } from "./loop-disk.ts";

const defaultMegabytes = 256;
const commandTimeoutMs = 20_000;

// FS_IOC_SHUTDOWN with "no log flush", as the tests of the kernel's file systems lose power: from this moment on,
// nothing is written any more, neither data nor journal. Node can't call ioctl.
const shutdownScript = `
open(my $folder, "<", $ARGV[0]) or die "open: $!";
my $flags = pack("L", 2);
defined ioctl($folder, 0x8004587d, $flags) or die "ioctl: $!";
`;

/** A disk of its own that can lose power. */
export interface DiskImage extends AsyncDisposable {
  /** The folder to store in. */
  readonly folder: string;
  /**
   * Loses what was not written out, as a machine without power does, and mounts what is left in the same folder. The
   * server must have been killed just before, not stopped in order. What was synced stays; of the rest anything may
   * be gone, and everything that was written within the last seconds is. The disk's own cache counts as written.
   *
   * @throws Error with the ids of the processes that still use the disk; nothing is lost then.
   */
  powerLoss(): Promise<void>;
  /**
   * Unmounts and removes it.
   *
   * @throws Error with the ids of the processes that still used it; it is removed all the same.
   */
  close(): Promise<void>;
}

/** Mounts a disk of so many megabytes, 8 or more. It takes only as much space as is written. Default: 256. */
export async function diskImage(options: { readonly megabytes?: number } = {}): Promise<DiskImage> {
  const disk = await loopDisk(options.megabytes ?? defaultMegabytes);
  return {
    folder: disk.folder,
    async powerLoss() {
      const users = await disk.users();
      if (users.length > 0) {
        throw new Error(
          `kill the processes that use ${disk.folder} before its power loss: ${users.join(", ")}`,
        );
      }
      await runCommand(["perl", "-e", shutdownScript, disk.folder], { timeoutMs: commandTimeoutMs });
      await disk.unmount();
      await disk.mount();
    },
    close: disk.close,
    [Symbol.asyncDispose]: disk.close,
  };
}

/** Why no disk can lose power here. */
export async function missing(): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  if (!folders.some((folder) => existsSync(join(folder, "perl")))) {
    return "perl is not installed: apt-get install perl-base";
  }
  return await loopDiskMissing();
}
