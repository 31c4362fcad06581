/**
 * Makes the images for the tests in containers present: the public ones, or those that the environment names,
 * if they are there or can be pulled; else small local ones built from the provisioned programs. Prints shell
 * lines that make the tests use what was built. The local images take the same arguments as the public ones
 * and stay on the machine: the licence of DynamoDB Local forbids passing it on.
 */
import { existsSync, realpathSync } from "node:fs";
import { copyFile, cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeImagesPresent } from "../test/servers/container-choice.ts";
import { dynamodbProgram, natsProgram } from "../test/servers/programs.ts";
import { runCommand } from "../test/servers/run-command.ts";
import { type NatsVersion, natsLines } from "../test/servers/settings.ts";

const draft = await mkdtemp(join(tmpdir(), "leasehold-images-"));
try {
  await makeImagesPresent();
} catch (error) {
  console.error(`${(error as Error).message}: building local images`);
  for (const { version, imageVariable } of natsLines) {
    console.log(`export ${imageVariable}=${await buildNats(version)}`);
  }
  console.log(`export LEASEHOLD_TEST_DYNAMODB_IMAGE=${await buildDynamodb()}`);
  // The image of testcontainers' own cleaner can't be pulled either.
  console.log("export TESTCONTAINERS_RYUK_DISABLED=true");
} finally {
  await rm(draft, { recursive: true, force: true });
}

async function buildNats(version: NatsVersion): Promise<string> {
  const program = await natsProgram(version);
  const root = join(draft, `nats-${version}`);
  const own = join(dirname(program), "libraries");
  if (!existsSync(own)) {
    await copyTo(root, program, "/nats-server");
    await copyLibraries(root, [program]);
    return await importImage(root, `leasehold-test/nats:${version}`, ['ENTRYPOINT ["/nats-server"]']);
  }
  // It is a script that runs the program through its own loader; the image has no shell for it.
  await copyTo(root, `${program}.bin`, "/nats-server");
  await cp(own, join(root, "libraries"), { recursive: true });
  const loader = (await readdir(own)).find((name) => name.startsWith("ld-linux"));
  const entry = [`/libraries/${loader}`, "--library-path", "/libraries", "/nats-server"];
  return await importImage(root, `leasehold-test/nats:${version}`, [`ENTRYPOINT ${JSON.stringify(entry)}`]);
}

async function buildDynamodb(): Promise<string> {
  const { home, java } = await dynamodbProgram();
  const root = join(draft, "dynamodb");
  const machine = dirname(dirname(realpathSync(await onPath(java.program))));
  const unneeded = /^(jmods|include|man|legal|demo|src\.zip)$/;
  await mkdir(join(root, "opt"), { recursive: true });
  await cp(machine, join(root, "opt/java"), {
    recursive: true,
    dereference: true,
    filter: (path) =>
      existsSync(path) && !(dirname(path) === machine && unneeded.test(path.slice(machine.length + 1))),
  });
  await cp(home, join(root, "home/dynamodblocal"), { recursive: true });
  const graphical = /awt|splash|font|freetype|lcms|mlib|jsound|javajpeg/;
  const objects = (await readdir(join(machine, "lib"), { recursive: true }))
    .filter((name) => name.endsWith(".so") && !graphical.test(name))
    .map((name) => join(machine, "lib", name));
  await copyLibraries(root, [join(machine, "bin/java"), ...objects], machine);
  await mkdir(join(root, "tmp"), { mode: 0o1777 });
  return await importImage(root, "leasehold-test/dynamodb-local:latest", [
    "WORKDIR /home/dynamodblocal",
    'ENTRYPOINT ["/opt/java/bin/java"]',
  ]);
}

/** Copies the shared libraries of programs, and their loader, to the same places below `root`. */
async function copyLibraries(root: string, programs: readonly string[], except?: string): Promise<void> {
  const { stdout } = await runCommand(["ldd", ...programs] as [string, ...string[]]);
  const paths = new Set([...stdout.matchAll(/^\t(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1] ?? ""));
  for (const path of paths) {
    if (except === undefined || !path.startsWith(except)) await copyTo(root, path, path);
  }
}

async function copyTo(root: string, from: string, to: string): Promise<void> {
  await mkdir(dirname(join(root, to)), { recursive: true });
  await copyFile(from, join(root, to));
}

async function importImage(root: string, tag: string, changes: readonly string[]): Promise<string> {
  const archive = `${root}.tar`;
  await runCommand(["tar", "-C", root, "-cf", archive, "."]);
  const options = changes.flatMap((change) => ["--change", change]);
  await runCommand(["docker", "import", ...options, archive, tag]);
  await rm(archive);
  return tag;
}

async function onPath(program: string): Promise<string> {
  if (program.includes("/")) return program;
  return (await runCommand(["sh", "-c", 'command -v "$1"', "sh", program])).stdout.trim();
}
