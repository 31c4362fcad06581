import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../run-command.ts";
import { type SourcesFile, sourcesOfRelease } from "./apt-sources.ts";

/** The distribution of this machine, as far as packages can be downloaded for it. */
export interface Distribution {
  readonly id: "debian" | "ubuntu";
  readonly codename: string;
}

/** Packages of one release, read with apt without touching the system's own lists or packages. */
export interface PackageRelease {
  /** Names that a package depends on directly. */
  dependencies(name: string): Promise<string[]>;
  /** Downloads a package and unpacks it below `root`. */
  unpack(name: string, root: string): Promise<void>;
}

/** This machine's distribution, or null where provisioning by apt is impossible. */
export async function findDistribution(): Promise<Distribution | null> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const id = /^ID="?(\w+)"?$/m.exec(text)?.[1];
  const codename = /^VERSION_CODENAME="?(\w+)"?$/m.exec(text)?.[1];
  if ((id !== "debian" && id !== "ubuntu") || codename === undefined) return null;
  return existsSync("/usr/bin/apt-get") && existsSync("/usr/bin/dpkg") ? { id, codename } : null;
}

/**
 * Opens one release of the distribution, which need not be the machine's own.
 *
 * It takes the machine's own sources under another release name, with lists, cache and package status in
 * `folder`: nothing is installed, and no rights are needed.
 *
 * @throws Error when the machine has no usable sources or the lists can't be fetched.
 */
export async function openRelease(
  { codename }: Distribution,
  release: string,
  folder: string,
): Promise<PackageRelease> {
  const home = await mkdtemp(join(folder, `apt-${release}-`));
  const parts = join(home, "sources.list.d");
  await mkdir(parts);
  await mkdir(join(home, "lists/partial"), { recursive: true });
  await mkdir(join(home, "cache/archives/partial"), { recursive: true });
  await mkdir(join(home, "preferences.d"));
  await writeFile(join(home, "status"), "");
  const sources = sourcesOfRelease(await readSources(), codename, release);
  if (sources.length === 0) throw new Error(`apt's sources have no entry for this machine's ${codename}`);
  for (const { name, text } of sources) await writeFile(join(parts, name), text);

  const settings = {
    "Dir::Etc::SourceList": "/dev/null",
    "Dir::Etc::SourceParts": parts,
    // The system's pins and installed packages would keep other versions from being candidates.
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": join(home, "preferences.d"),
    "Dir::State::Lists": join(home, "lists"),
    "Dir::State::status": join(home, "status"),
    "Dir::Cache": join(home, "cache"),
    "APT::Sandbox::User": "root", // apt's own user can't write below a private folder.
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Acquire::http::Timeout": "30",
    "Acquire::https::Timeout": "30",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  // Not an end by itself, since a third party's sources may not know the release, and apt only warns of many
  // failures: what it said explains why a package is not found later.
  const said = await runCommand(["apt-get", ...options, "-q", "update"]).then(
    (output) => output.stderr.trim(),
    (error: Error) => error.message,
  );

  return {
    async dependencies(name) {
      const { stdout } = await runCommand(["apt-cache", ...options, "depends", name]);
      return [...stdout.matchAll(/^\s*Depends: (\S+)$/gm)].map((match) => match[1] ?? "");
    },
    async unpack(name, root) {
      const packages = await mkdtemp(join(home, "download-"));
      const download = ["apt-get", ...options, "-q", "download", name] as const;
      await runCommand(download, { cwd: packages }).catch((error: Error) => {
        throw new Error(said === "" ? error.message : `${error.message}\n${said}`, { cause: error });
      });
      for (const file of await readdir(packages))
        await runCommand(["dpkg", "-x", join(packages, file), root]);
    },
  };
}

async function readSources(): Promise<SourcesFile[]> {
  const main = "/etc/apt/sources.list";
  const parts = await readdir(`${main}.d`).catch(() => []);
  const paths = [main, ...parts.map((name) => `${main}.d/${name}`)];
  const wanted = paths.filter((path) => existsSync(path) && /\.(list|sources)$/.test(path));
  return Promise.all(
    wanted.map(async (path) => ({
      name: path.slice(path.lastIndexOf("/") + 1),
      text: await readFile(path, "utf8"),
    })),
  );
}
