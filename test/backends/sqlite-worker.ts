/**
 * A process of its own that uses a SQLite file, for tests. It is told what to do in its arguments, and answers by
 * messages: `increment <path> <key> <times>`, `write <path>` until it is killed, `fill <path>` until the disk is
 * full, `attempt <path>` one commit.
 */
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sqliteBackend } from "../../src/backends/sqlite/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { LeaseholdError, UnavailableError } from "../../src/core/errors.ts";
import { sleep, systemRuntime } from "../../src/core/runtime.ts";

const [what, path = "", key = "", times = "0"] = process.argv.slice(2);

async function increment(backend: Backend): Promise<void> {
  let conflicts = 0;
  // All workers begin together, and now and then leave the others time between the read and the write.
  answer("ready");
  await once(process, "message");
  for (let done = 0; done < Number(times); ) {
    const [record] = await backend.get([key]);
    if (done % 10 === 0) await sleep(systemRuntime, 0, { holdsProcessOpen: true });
    const value = Buffer.from(String(Number(Buffer.from(record?.value ?? []).toString()) + 1));
    const result = await backend.commit([{ kind: "put", key, value, expect: record?.version ?? null }]);
    if (result.committed) done += 1;
    else conflicts += 1;
  }
  answer({ conflicts });
}

/** Every key and its double change together, so that a torn write would show. */
async function write(backend: Backend): Promise<void> {
  for (let count = 1; ; count += 1) {
    const value = Buffer.alloc(300, `${count} `);
    await backend.commit([
      { kind: "put", key: `a.${count % 50}`, value },
      { kind: "put", key: `b.${count % 50}`, value },
    ]);
    await backend.commit([{ kind: "put", key: "last", value: Buffer.from(String(count)) }]);
    if (count % 10 === 0) answer({ count });
  }
}

async function fill(backend: Backend): Promise<void> {
  const ballast = join(path, "..", "ballast");
  await writeFile(ballast, Buffer.alloc(65_536));
  let acknowledged = 0;
  const put = async (): Promise<void> => {
    await backend.commit([{ kind: "put", key: `k.${acknowledged}`, value: Buffer.alloc(500), expect: null }]);
    acknowledged += 1;
  };
  const found = async (): Promise<number> => (await backend.scan("k.", { limit: 1_000 })).records.length;
  let code: string | undefined;
  while (code === undefined && acknowledged < 900) {
    await put().catch((error: unknown) => {
      code = error instanceof UnavailableError ? error.code : String(error);
    });
  }
  const whenFull = { acknowledged, found: await found() };
  await rm(ballast);
  await put();
  answer({ code, whenFull, afterwards: { acknowledged, found: await found() } });
}

async function attempt(backend: Backend): Promise<void> {
  const commit = async (): Promise<string> => {
    await backend.setup();
    const { committed } = await backend.commit([{ kind: "put", key: "a", value: Buffer.from("x") }]);
    return committed ? "COMMITTED" : "CONFLICT";
  };
  answer(
    await commit().catch((error: unknown) => (error instanceof LeaseholdError ? error.code : String(error))),
  );
}

function answer(message: unknown): void {
  if (process.send === undefined) process.stdout.write(`${JSON.stringify(message)}\n`);
  else process.send(message as object);
}

const tasks: Readonly<Record<string, (backend: Backend) => Promise<void>>> = {
  increment,
  write,
  fill,
  attempt,
};
const backend = sqliteBackend({ path });
if (what !== "attempt") await backend.setup();
await tasks[what ?? ""]?.(backend);
await backend.close();
process.disconnect?.();
