import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const abandonedAfterMs = 60 * 60 * 1000;

/**
 * Makes a folder that is either complete or absent, whatever interrupts it.
 *
 * `fill` works on a draft beside it, which is renamed when it is done. When two processes do this at the
 * same time, both work and the first one's folder stays. A folder that is there already is not touched.
 */
export async function fillFolder(folder: string, fill: (draft: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(dirname(folder), { recursive: true });
  await removeAbandonedDrafts(folder);
  const draft = await mkdtemp(draftPrefix(folder));
  try {
    await fill(draft);
    await chmod(draft, 0o755); // Other users' runs may share the cache.
    await rename(draft, folder).catch((error: unknown) => {
      // Another process has finished first: rename refuses to replace a folder with content.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function removeAbandonedDrafts(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(basename(draftPrefix(folder)))) continue;
    const path = join(dirname(folder), name);
    const changed = await stat(path).catch(() => null); // Its owner may have removed it just now.
    if (changed !== null && Date.now() - changed.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

function draftPrefix(folder: string): string {
  return `${folder}.draft-`;
}
