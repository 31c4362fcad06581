// Goal: the parts below the servers for tests hold in the cases that no ordinary run shows: other machines'
// package sources, two processes at once, an interrupted process.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { claimPort } from "./servers/ports.ts";
import { sourcesOfRelease } from "./servers/provision/apt-sources.ts";
import { fillFolder } from "./servers/provision/fill-folder.ts";
import { usesServers } from "./servers/uses-servers.ts";
import { waitUntil } from "./servers/wait-until.ts";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("package sources of another release", () => {
  const change = (name: string, text: string) =>
    sourcesOfRelease([{ name, text }], "bookworm", "forky").map((file) => file.text);

  test("keep mirror, components and keyring of a stanza, and change its suites", () => {
    const text = [
      "# The mirror",
      "Types: deb deb-src",
      "URIs: http://mirror.example/debian",
      "Suites: bookworm bookworm-updates",
      "Components: main",
      "Signed-By: /usr/share/keyrings/archive.gpg",
      "",
      "Types: deb",
      "URIs: http://mirror.example/security",
      "Suites: bookworm-security",
      "Components: main",
      "",
    ].join("\n");
    expect(change("debian.sources", text)).toEqual([
      [
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: forky",
        "Components: main",
        "Signed-By: /usr/share/keyrings/archive.gpg",
        "",
      ].join("\n"),
    ]);
  });

  test("leave out stanzas that are switched off, hold only sources or belong to others", () => {
    const stanza = (extra: string, types = "deb", suites = "bookworm") =>
      `Types: ${types}\nURIs: http://mirror.example\nSuites: ${suites}\nComponents: main\n${extra}`;
    expect(change("a.sources", stanza("Enabled: no"))).toEqual([]);
    expect(change("a.sources", stanza("", "deb-src"))).toEqual([]);
    expect(change("a.sources", stanza("", "deb", "nodistro"))).toEqual([]);
  });

  test("keep a key that is written into the stanza", () => {
    const text =
      "Types: deb\nURIs: http://m.example\nSuites: bookworm\n bookworm-updates\nSigned-By:\n -----BEGIN\n .\n";
    expect(change("a.sources", text)).toEqual([
      "Types: deb\nURIs: http://m.example\nSuites: forky\nSigned-By:\n -----BEGIN\n .\n",
    ]);
  });

  test("change one-line entries, with options and release aliases", () => {
    const text = [
      "deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian bookworm main contrib",
      "deb http://m.example/debian stable main",
      "deb http://m.example/debian bookworm-updates main",
      "deb-src http://m.example/debian bookworm main",
      "# deb http://m.example/debian bookworm main",
    ].join("\n");
    expect(change("sources.list", text)).toEqual([
      "deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian forky main contrib\n" +
        "deb http://m.example/debian forky main\n",
    ]);
  });
});

describe("a folder of the cache", () => {
  test("is one process's whole work when several fill it at once, and is not filled again", async () => {
    const folder = join(await temporaryFolder(), "filled");
    const fill = (text: string) =>
      fillFolder(folder, async (draft) => {
        await writeFile(join(draft, "a"), text);
        await writeFile(join(draft, "b"), text);
      });
    await Promise.all(["1", "2", "3"].map(fill));
    await fill("4");
    const contents = await Promise.all(["a", "b"].map((name) => readFile(join(folder, name), "utf8")));
    expect(contents[0]).toBe(contents[1]);
    expect(contents[0]).not.toBe("4");
    expect(await readdir(join(folder, ".."))).toEqual(["filled"]);
  });

  test("is absent when filling it fails", async () => {
    const folder = join(await temporaryFolder(), "filled");
    await expect(fillFolder(folder, () => Promise.reject(new Error("no network")))).rejects.toThrow(
      "no network",
    );
    expect(await readdir(join(folder, ".."))).toEqual([]);
  });
});

test("claimed ports differ while they are claimed", async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimPort()));
  expect(new Set(claims.map(({ port }) => port)).size).toBe(20);
  for (const claim of claims) claim[Symbol.dispose]();
});

test("a test file uses servers when its imports reach them, also through another file", async () => {
  expect(usesServers(join(import.meta.dirname, "servers.test.ts"))).toBe(true);
  const folder = await temporaryFolder();
  const helper = `import { natsServer } from "./servers/../../x.ts";`;
  await writeFile(join(folder, "helper.ts"), helper);
  await writeFile(join(folder, "a.test.ts"), 'import "./helper.ts";');
  expect(usesServers(join(folder, "a.test.ts"))).toBe(false);
  const index = join(import.meta.dirname, "servers/index.ts");
  const up = "../".repeat(folder.split("/").length);
  await writeFile(join(folder, "helper.ts"), `export { natsServer } from "${up}${index.slice(1)}";`);
  expect(usesServers(join(folder, "a.test.ts"))).toBe(true);
});

test("a server ends and its folder goes when the process that started it is killed", async () => {
  const runner = JSON.stringify(join(import.meta.dirname, "servers/local-runner.ts"));
  const script = `
    const { localRunner } = await import(${runner});
    const command = async (folder) => { console.log(folder); return ["sleep", "600"]; };
    const runner = await localRunner({ name: "guarded", command });
    await runner.start();
    console.log(runner.pid);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", script]);
  onTestFinished(() => void owner.kill("SIGKILL"));
  let output = "";
  owner.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const limits = { timeoutMs: 10_000, intervalMs: 20 };
  const started = await waitUntil(async () => /^(\S+)\n(\d+)\n/.exec(output), {
    ...limits,
    what: "the start",
  });
  const [folder, pid] = [started[1] ?? "", Number(started[2])];
  expect(existsSync(folder)).toBe(true);
  expect(runs(pid)).toBe(true);

  owner.kill("SIGKILL");

  await waitUntil(async () => (existsSync(folder) ? null : true), { ...limits, what: "the folder to go" });
  expect(runs(pid)).toBe(false);
});

/** Not by a signal: it also reaches what has ended and was not collected by the machine's first process. */
function runs(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}
