/**
 * Packs the package and uses it as users do: `node scripts/check-package.ts`, after a build. In empty projects,
 * with none and with each of the optional packages, it imports every subpath, holds locks, compiles the
 * documentation's examples, and runs the command. Downloads packages; takes a minute or two.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkConsumerTypes } from "./package/check-consumer-types.ts";
import { makeConsumerProject, runCommand } from "./package/consumer-project.ts";

const root = resolve(import.meta.dirname, "..");
const packedBytesMax = 300 * 1_024;
/** The oldest Node that package.json allows. */
const oldestNode = "22.13";
/** The project's own TypeScript, the one that is written in Go, and an old one. */
const compilers = ["typescript@6", "typescript@7", "typescript@5.4"] as const;
const optional = {
  nats: ["nats"],
  transport: ["@nats-io/transport-node"],
  dynamodb: ["@aws-sdk/client-dynamodb", "@aws-sdk/lib-dynamodb"],
  cron: ["node-cron"],
  telemetry: ["@opentelemetry/api"],
  express: ["express", "express-rate-limit", "@types/express"],
  fastify: ["fastify", "@fastify/rate-limit"],
  hono: ["hono"],
  "hono-rate-limiter": ["hono", "hono-rate-limiter"],
  nest: ["@nestjs/throttler", "@nestjs/common", "@nestjs/core", "reflect-metadata", "rxjs"],
  flexible: ["rate-limiter-flexible"],
  values: ["zod", "valibot", "arktype", "keyv", "unstorage"],
};

const folder = await mkdtemp(join(tmpdir(), "leasehold-package-"));
try {
  const packed = await step("pack", pack);
  const plain = await makeConsumerProject(join(folder, "plain"));
  await step("install without optional packages", () => plain.install(packed));
  await step("import every subpath", () => plain.runProgram("import-everything"));
  await step("load nothing that is not used", () => plain.runProgram("list-modules"));
  await step("name what failed", () => plain.runProgram("read-stacks"));
  await step("hold locks in memory and SQLite", () => plain.runProgram("hold-locks"));
  await step("keep the contracts of its sources", () => plain.runProgram("keep-contracts"));
  await step("name what is not installed", () => plain.runProgram("optional-packages"));
  await step("run the command", async () => {
    const help = await plain.run("leasehold", "--help");
    if (!/usage: leasehold/i.test(help)) throw new Error(`leasehold --help printed:\n${help}`);
  });
  for (const compiler of compilers) {
    await step(`compile with ${compiler}, without @types/node`, async () => {
      await plain.install(compiler);
      await checkConsumerTypes(plain, { packages: [], node: false });
    });
  }
  await step("compile with @types/node", async () => {
    await plain.install("@types/node@22");
    await checkConsumerTypes(plain, { packages: [], node: true });
  });
  await step(`run on Node ${oldestNode}`, async () => {
    await plain.install(`node@${oldestNode}`);
    for (const name of ["import-everything", "hold-locks", "optional-packages"]) {
      await plain.run("node", `${name}.mjs`);
    }
    await plain.run("node", "node_modules/leasehold/dist/cli/main.js", "--help");
  });
  for (const [name, packages] of Object.entries(optional)) {
    const project = await makeConsumerProject(join(folder, name));
    await step(`use with ${packages.join(" and ")}`, async () => {
      await project.install(packed, ...packages, compilers[0], "@types/node@22");
      await project.runProgram("import-everything");
      await project.runProgram("optional-packages", ...packages);
      await checkConsumerTypes(project, { packages, node: true });
    });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function pack(): Promise<string> {
  const parameters = ["pack", "--ignore-scripts", "--json", "--loglevel=error", "--pack-destination", folder];
  const [packed] = JSON.parse(await runCommand(root, "npm", parameters)) as [{ filename: string }];
  const path = join(folder, packed.filename);
  const { size } = await stat(path);
  if (size > packedBytesMax) throw new Error(`the package has ${size} bytes; at most ${packedBytesMax}`);
  return path;
}

async function step<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const startedAtMs = performance.now();
  try {
    return await work();
  } catch (error) {
    throw new Error(`the package fails to ${what}`, { cause: error });
  } finally {
    console.log(`${what}: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
  }
}
