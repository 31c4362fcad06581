import type { Operation, Version } from "../core/backend.ts";
import { conflictPauseMs } from "../core/backoff.ts";
import { OutcomeUnknownError, UnavailableError } from "../core/errors.ts";
import { sleep } from "../core/runtime.ts";
import type { RecordHost } from "../records/record-host.ts";
import { treePrefix } from "./entry-key.ts";
import type { EntryStore } from "./entry-store.ts";
import { inParallel } from "./in-parallel.ts";

const triesMax = 20;

/** Erases the record of one entry, whoever changes it meanwhile. Answers whether there was any. */
export async function eraseEntry(store: EntryStore, key: string): Promise<boolean> {
  const { version } = await store.read(key);
  return eraseRecord(store.host, store.recordKey(key), version);
}

/** Erases every record of the namespace and of those within it, also of those that come meanwhile. Answers how many. */
export async function eraseAll({ host, place }: EntryStore): Promise<number> {
  const prefix = treePrefix(place);
  let erased = 0;
  for (let cursor: string | undefined; ; ) {
    const page = await host.backend.scan(prefix, cursor === undefined ? {} : { cursor });
    const results = await inParallel(page.records, async ({ key, version }) => ({
      isErased: await eraseRecord(host, key, version),
    }));
    for (const result of results) {
      if ("error" in result) throw result.error;
      if (result.isErased) erased += 1;
    }
    if (page.cursor === undefined) return erased;
    cursor = page.cursor;
  }
}

/** Under the version that was seen, so that a copy which comes late erases nothing newer. */
async function eraseRecord(
  { backend, runtime }: RecordHost,
  key: string,
  seen: Version | null,
): Promise<boolean> {
  let version = seen;
  let isDoubtful = false;
  for (let tries = 0; version !== null; tries += 1) {
    if (tries === triesMax) throw new UnavailableError(`others kept changing ${key}; it was not erased`);
    const operation: Operation = { kind: "delete", key, expect: version };
    try {
      const result = await backend.commit([operation]);
      if (result.committed) return true;
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      isDoubtful = true;
    }
    await sleep(runtime, conflictPauseMs(runtime, tries, 10), { holdsProcessOpen: true });
    const [record] = await backend.get([key]);
    version = record?.version ?? null;
  }
  return isDoubtful || seen !== null;
}
