import { chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../run-command.ts";
import { cacheFolder, type NatsLine } from "../settings.ts";
import { findDistribution, openRelease, type PackageRelease } from "./apt.ts";
import { fillFolder } from "./fill-folder.ts";

/** Where provisioning puts the program of one NATS line, and where a person may put one by hand. */
export function cachedNatsProgram(line: NatsLine): string {
  return join(cacheFolder(), `nats-${line.version}`, "nats-server");
}

/**
 * Puts `nats-server` of one line into the cache, from the distribution's packages, without installing it.
 *
 * @throws Error where the distribution has no such package.
 */
export async function provisionNats(line: NatsLine): Promise<void> {
  const distribution = await findDistribution();
  if (distribution === null) throw new Error("programs can only be provisioned on Debian and Ubuntu");
  const releases = line.releases[distribution.id];
  if (releases.length === 0) throw new Error(`no ${distribution.id} release has NATS ${line.version}`);
  const failures: Error[] = [];
  for (const release of releases) {
    try {
      await fillFolder(join(cacheFolder(), `nats-${line.version}`), async (draft) => {
        const packages = await openRelease(distribution, release, draft);
        await packages.unpack("nats-server", join(draft, "package"));
        await rename(join(draft, "package/usr/sbin/nats-server"), join(draft, "nats-server"));
        const version = await makeRunnable(packages, draft);
        if (!line.accepts(version)) throw new Error(`${release} has NATS ${version}, not ${line.version}`);
        await removeAllBut(draft, ["nats-server", "nats-server.bin", "libraries"]);
      });
      return;
    } catch (error) {
      failures.push(error as Error);
    }
  }
  const reasons = failures.map((failure) => failure.message).join("\n");
  throw new AggregateError(failures, `NATS ${line.version} could not be provisioned:\n${reasons}`);
}

/** Version that a `nats-server` program prints. */
export async function natsProgramVersion(program: string): Promise<string> {
  const { stdout, stderr } = await runCommand([program, "--version"], { timeoutMs: 10_000 });
  const version = /v(\d+\.\d+\.\d+)/.exec(`${stdout}${stderr}`)?.[1];
  if (version === undefined) throw new Error(`${program} --version printed no version: ${stdout}${stderr}`);
  return version;
}

/** Makes the program of a newer release run on this machine's C library, and gives its version. */
async function makeRunnable(packages: PackageRelease, draft: string): Promise<string> {
  const program = join(draft, "nats-server");
  try {
    return await natsProgramVersion(program);
  } catch {
    // Most likely it wants a newer C library: it is given its own release's.
    await runThroughOwnLoader(packages, draft);
    return await natsProgramVersion(program);
  }
}

/** Replaces the program by a script that runs it through its own release's loader and C library. */
export async function runThroughOwnLoader(packages: PackageRelease, draft: string): Promise<void> {
  const root = join(draft, "libc");
  const libraries = join(draft, "libraries");
  await packages.unpack("libc6", root);
  await mkdir(libraries);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!/\.so(\.\d+)*$/.test(entry.name) || entry.parentPath.includes("gconv")) continue;
    if (entry.isFile()) await copyFile(join(entry.parentPath, entry.name), join(libraries, entry.name));
  }
  const loader = (await readdir(libraries)).find((name) => name.startsWith("ld-linux"));
  if (loader === undefined) throw new Error("the package libc6 has no loader");
  await chmod(join(libraries, loader), 0o755);
  await rename(join(draft, "nats-server"), join(draft, "nats-server.bin"));
  const script = [
    "#!/bin/sh",
    'here=$(dirname "$0")',
    // `exec` keeps the process id: signals sent to it reach the server.
    `exec "$here/libraries/${loader}" --library-path "$here/libraries" "$here/nats-server.bin" "$@"`,
  ];
  await writeFile(join(draft, "nats-server"), `${script.join("\n")}\n`, { mode: 0o755 });
}

async function removeAllBut(folder: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!keep.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
