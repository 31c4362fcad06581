import { accessSync, constants, mkdirSync, type Stats, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  InvalidArgumentError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
} from "../../core/errors.ts";
import { networkFileSystem } from "./network-file-systems.ts";

/** Which file stands under a path: another one of the same name has another identity. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/**
 * The absolute form of a path, so that a later change of the working directory changes nothing.
 *
 * @throws InvalidArgumentError for text that names no file.
 */
export function databasePath(path: string): string {
  const wrong = refusal(path);
  if (wrong === undefined) return resolve(path);
  throw new InvalidArgumentError(
    `the sqlite backend needs the path of a file, such as ./leasehold.db; got ${JSON.stringify(path)}: ${wrong}`,
  );
}

function refusal(path: string): string | undefined {
  if (typeof path !== "string" || path === "") return "that is no path";
  if (path === ":memory:")
    return "a database in memory cannot be shared; use memory: (memoryBackend) instead";
  if (path.includes("\0")) return "a path holds no NUL";
  if (path === "~" || path.startsWith("~/")) return "nobody expands ~ here; write the whole path";
  if (path.startsWith("file:")) return "write the path alone, without file:";
  if (path.endsWith("/")) return "that is a folder";
  return undefined;
}

/** The identity of the file that stands under `path` now; `null` when there is none, or none that can be seen. */
export function identify(path: string): FileIdentity | null {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? null : { device: stats.dev, inode: stats.ino };
  } catch {
    // A path that can no longer be looked up is as good as gone: the caller fails closed either way.
    return null;
  }
}

/** Compares two identities. */
export function isSameFile(one: FileIdentity, other: FileIdentity | null): boolean {
  return one.inode === other?.inode && one.device === other.device;
}

/**
 * Makes sure, before SQLite touches anything, that `path` can be opened: it would create a missing file, open a
 * protected one for reading only, and say no more than "unable to open" of everything else.
 *
 * @returns whether the file is there already.
 */
export function prepareFile(path: string, create: boolean): boolean {
  const stats = lookUp(path);
  if (stats === undefined && !create) throw missing(path);
  if (stats !== undefined && !stats.isFile()) {
    throw new InvalidArgumentError(
      `the sqlite backend needs a file; ${path} is ${stats.isDirectory() ? "a folder" : "no regular file"}`,
    );
  }
  const folder = dirname(path);
  fileSystemCall(path, () => {
    if (stats === undefined) makeFolders(folder);
    else accessSync(path, constants.R_OK | constants.W_OK);
    // The write-ahead log and its index are files of their own beside the database.
    accessSync(folder, constants.W_OK | constants.X_OK);
  });
  refuseNetworkFileSystem(folder);
  return stats !== undefined;
}

/** What {@link prepareFile} and a later look find when there is no file. */
export function missing(path: string): StoreMissingError {
  return new StoreMissingError(
    `there is no leasehold store at ${path}; create it with setup(), or correct the path`,
  );
}

/** As `mkdir -p`. Node's own goes round for ever where a folder can be seen and not made, as below /proc. */
function makeFolders(folder: string): void {
  if (isFolder(folder)) return;
  makeFolders(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!isFolder(folder)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function lookUp(path: string): Stats | undefined {
  return fileSystemCall(path, () => statSync(path, { throwIfNoEntry: false }));
}

function fileSystemCall<Result>(path: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw new PermissionDeniedError(
        `this process may not use ${path} (${code}): it needs to read and write the file, and to create files in ` +
          "its folder, where SQLite keeps the write-ahead log",
        { cause: error },
      );
    }
    if (code === "ENOTDIR" || code === "EEXIST") {
      throw new InvalidArgumentError(`a part of ${path} that should be a folder is a file`, { cause: error });
    }
    if (code === "ENOENT") {
      throw new InvalidArgumentError(`the folder of ${path} cannot be made here; correct the path`, {
        cause: error,
      });
    }
    if (code === undefined) throw error;
    throw new UnavailableError(`${path} cannot be used now (${code})`, { cause: error });
  }
}

function refuseNetworkFileSystem(folder: string): void {
  if (process.platform !== "linux") return;
  const name = networkFileSystem(fileSystemCall(folder, () => statfsSync(folder)).type);
  if (name === undefined) return;
  throw new StoreMisconfiguredError(
    `${folder} is on a network file system (${name}): its locks and shared memory do not reach other machines, so ` +
      "two of them could hold one lock. Use a local disk, or the nats or dynamodb backend",
  );
}
