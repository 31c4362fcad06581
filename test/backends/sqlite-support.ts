import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type SqliteBackendOptions, sqliteBackend } from "../../src/backends/sqlite/index.ts";
import type { Backend } from "../../src/core/backend.ts";

export const workerFile: string = fileURLToPath(new URL("./sqlite-worker.ts", import.meta.url));
export const workerFlags: readonly string[] = ["--disable-warning=ExperimentalWarning"];

/** A folder of its own for one test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-sqlite-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The path of a file that does not exist yet. */
export async function newPath(): Promise<string> {
  return join(await newFolder(), "store.db");
}

/** A backend that is closed when the test ends. */
export function open(path: string, options: Omit<SqliteBackendOptions, "path"> = {}): Backend {
  const backend = sqliteBackend({ path, ...options });
  onTestFinished(() => backend.close());
  return backend;
}

/** The same file through SQLite alone. */
export function openRaw(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  return database;
}

/** Starts a process that uses a file; see sqlite-worker.ts. */
export function startWorker(task: readonly string[], options: ForkOptions = {}): ChildProcess {
  const child = fork(workerFile, task, { execArgv: [...workerFlags], ...options });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** What a worker answers next. Rejects when it ends without an answer. */
export async function nextAnswer(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the worker ended without an answer (code ${code}, signal ${signal})`);
  });
  const [message] = await Promise.race([once(child, "message"), ended]);
  ended.catch(() => undefined);
  return message;
}

/** Puts one record and answers its version. */
export async function put(backend: Backend, key: string, value = "x", ttlMs?: number): Promise<string> {
  const ttl = ttlMs === undefined ? {} : { ttlMs };
  const result = await backend.commit([{ kind: "put", key, value: Buffer.from(value), ...ttl }]);
  if (!result.committed) throw new Error(`a put of ${key} without an expectation met a conflict`);
  return result.versions[0] as string;
}
