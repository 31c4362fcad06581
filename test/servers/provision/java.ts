import { existsSync } from "node:fs";
import { lstat, readdir, readlink, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { runCommand } from "../run-command.ts";
import { cacheFolder } from "../settings.ts";
import { findDistribution, openRelease } from "./apt.ts";
import { fillFolder } from "./fill-folder.ts";

/** A Java that runs here. */
export interface Java {
  readonly program: string;
  /** Major version, such as 17. */
  readonly version: number;
}

/** The first Java that runs: of `JAVA_HOME`, of the path, of the cache; null where there is none. */
export async function findJava(): Promise<Java | null> {
  const home = process.env.JAVA_HOME;
  const programs = [...(home ? [join(home, "bin/java")] : []), "java", cachedProgram()];
  for (const program of programs) {
    const version = await javaVersion(program);
    if (version !== null) return { program, version };
  }
  return null;
}

/**
 * Puts the Java of the distribution's own release into the cache, without installing it.
 *
 * @throws Error where that is impossible or the result does not run.
 */
export async function provisionJava(): Promise<void> {
  const distribution = await findDistribution();
  if (distribution === null) throw new Error("programs can only be provisioned on Debian and Ubuntu");
  await fillFolder(cachedHome(), async (draft) => {
    const packages = await openRelease(distribution, distribution.codename, draft);
    const dependencies = await packages.dependencies("default-jre-headless");
    const runtime = dependencies.find((name) => /^openjdk-\d+-jre-headless$/.test(name));
    if (runtime === undefined) throw new Error("default-jre-headless depends on no openjdk-N-jre-headless");
    await packages.unpack(runtime, draft);
    await makeLinksRelative(draft);
    const machines = "usr/lib/jvm"; // Holds the runtime's folder and links to it.
    const home = (await readdir(join(draft, machines))).find((name) =>
      existsSync(join(draft, machines, name, "bin/java")),
    );
    if (home === undefined) throw new Error(`the package ${runtime} has no java below ${machines}`);
    await symlink(join(machines, home, "bin"), join(draft, "bin"));
    for (const name of await readdir(draft)) {
      if (name.startsWith("apt-")) await rm(join(draft, name), { recursive: true });
    }
    // Not through javaVersion: here the reason matters, such as a shared library that is missing.
    await runCommand([join(draft, "bin/java"), "-version"], { timeoutMs: 30_000 });
  });
}

function cachedHome(): string {
  return join(cacheFolder(), "java");
}

function cachedProgram(): string {
  return join(cachedHome(), "bin/java");
}

async function javaVersion(program: string): Promise<number | null> {
  if (program.includes("/") && !existsSync(program)) return null;
  try {
    const { stderr } = await runCommand([program, "-version"], { timeoutMs: 30_000 });
    const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(stderr) ?? [];
    return first === undefined ? null : Number(first === "1" ? second : first);
  } catch {
    return null; // Not there, or a stub that only asks to install Java.
  }
}

/** The package's configuration is linked by absolute paths such as `/etc/java-17-openjdk/...`. */
async function makeLinksRelative(root: string): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath, entry.name);
    const target = await readlink(link);
    if (!target.startsWith("/")) continue;
    const inside = await lstat(join(root, target)).catch(() => null); // Other packages' files are not here.
    if (inside === null) continue;
    await rm(link);
    await symlink(relative(dirname(link), join(root, target)), link);
  }
}
