import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { loopDisk, loopDiskMissing } from "./loop-disk.ts";

const largestPieceBytes = 1024 * 1024;
/** Room for metadata that was kept back and not needed comes free again when a file is written out. */
const roundsMax = 20;

/** A file system of its own that can be full. */
export interface SmallDisk extends AsyncDisposable {
  /** The folder to store in. */
  readonly folder: string;
  /** Takes all free space: writes that need more than their files have fail with ENOSPC. */
  fill(): Promise<void>;
  /** Gives back what {@link SmallDisk.fill} took. */
  free(): Promise<void>;
  /**
   * Unmounts and removes it.
   *
   * @throws Error with the ids of the processes that still used it; it is removed all the same.
   */
  close(): Promise<void>;
}

/** Mounts an ext4 file system of so many megabytes, 8 or more; about 1.5 of them it needs for itself. */
export async function smallDisk({ megabytes }: { readonly megabytes: number }): Promise<SmallDisk> {
  const disk = await loopDisk(megabytes);
  const ballast = join(disk.folder, ".ballast");
  return {
    folder: disk.folder,
    async fill() {
      for (let round = 0; round < roundsMax; round++) {
        if ((await takeAll(ballast)) === 0) return;
      }
      throw new Error(`${disk.folder} is not full after ${roundsMax} rounds: something frees space there`);
    },
    async free() {
      await rm(ballast, { force: true });
      // ext4 hands out freed blocks after the next commit of its journal.
      const folder = await open(disk.folder);
      await folder.sync().finally(() => folder.close());
    },
    close: disk.close,
    [Symbol.asyncDispose]: disk.close,
  };
}

/** Why there is no small disk here. */
export function missing(): Promise<string | undefined> {
  return loopDiskMissing();
}

/** Appends to a file until nothing more is taken; gives how many bytes were. */
async function takeAll(path: string): Promise<number> {
  const file = await open(path, "a");
  let taken = 0;
  try {
    for (let pieceBytes = largestPieceBytes; pieceBytes >= 1; ) {
      try {
        taken += (await file.write(Buffer.alloc(pieceBytes))).bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        pieceBytes = Math.floor(pieceBytes / 2);
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return taken;
}
