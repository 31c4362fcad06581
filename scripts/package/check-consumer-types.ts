import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findExamples } from "../../test/docs/find-examples.ts";
import type { ConsumerProject } from "./consumer-project.ts";

const moduleKinds = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

const folders = { own: "examples-own", foreign: "examples-foreign" };
/** What a user installs besides, for what is named after it or for its own sake. */
const packagesOf = [
  ...["nats", "node-cron", "@nats-io/[\\w-]+", "@aws-sdk/[\\w-]+", "@opentelemetry/[\\w-]+"],
  ...["express", "express-rate-limit", "fastify", "@fastify/rate-limit", "hono", "hono-rate-limiter"],
  ...["@hono/node-server", "@nestjs/[\\w-]+", "rate-limiter-flexible"],
  ...["zod", "valibot", "arktype", "keyv", "unstorage"],
].join("|");
/** Subpaths whose types come from an optional package. */
const typedAfter = "leasehold/(?:nats|dynamodb|hono|rate-limiter-flexible|keyv|unstorage)";
const foreign = new RegExp(`from "(${typedAfter}|${packagesOf})"`, "g");
/** Imports an optional package itself. */
const direct = new RegExp(`from "(?:${packagesOf})"`);
const nodeOnly = /\bBuffer\b|\bprocess\b|"node:/;

/** The types that a project has at hand. */
export interface AvailableTypes {
  /** The optional packages that are installed. */
  readonly packages: readonly string[];
  /** Whether `@types/node` is there. Without it the browser's types stand in. */
  readonly node: boolean;
}

/**
 * Compiles the documentation's examples in a user's project, as strictly as can be, under each kind of module
 * resolution, with the declarations of every package checked and not. Examples that import the optional packages
 * themselves are only compiled without that check: it would judge those packages' declarations, and not ours.
 */
export async function checkConsumerTypes(project: ConsumerProject, types: AvailableTypes): Promise<void> {
  const examples = findExamples().filter(
    ({ code, exemption }) =>
      exemption !== "no-check" &&
      [...code.matchAll(foreign)].every((match) => isThere(match[1] ?? "", types.packages)) &&
      (types.node || !nodeOnly.test(code)),
  );
  if (examples.length === 0) throw new Error("no example fits this project");
  for (const folder of Object.values(folders)) await mkdir(join(project.folder, folder), { recursive: true });
  for (const [index, { code, place }] of examples.entries()) {
    const folder = direct.test(code) ? folders.foreign : folders.own;
    await writeFile(
      join(project.folder, folder, `example-${index}.ts`),
      `// ${place}\n${code}\nexport {};\n`,
    );
  }
  const compile = async (options: CompilerOptions): Promise<void> => {
    await writeFile(join(project.folder, "tsconfig.json"), settings(types, options));
    await project.run("tsc", "-p", "tsconfig.json");
  };
  for (const kind of Object.values(moduleKinds)) {
    for (const skipLibCheck of [false, true]) await compile({ ...kind, skipLibCheck });
  }
  // As in a fresh folder: no `lib`. What examples use besides is in the default ones of this target.
  if (!types.node) {
    await compile({ ...moduleKinds.nodenext, skipLibCheck: false, target: "es2022", lib: undefined });
  }
}

/** What differs between the compilations of one project. */
type CompilerOptions = Readonly<Record<string, unknown>> & { readonly skipLibCheck: boolean };

function isThere(name: string, packages: readonly string[]): boolean {
  if (name === "leasehold/nats")
    return packages.some((there) => there === "nats" || there.startsWith("@nats-io/"));
  if (name === "leasehold/dynamodb") return packages.some((there) => there.startsWith("@aws-sdk/"));
  return packages.includes(name.replace("leasehold/", ""));
}

function settings({ node }: AvailableTypes, options: CompilerOptions): string {
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: "es2022",
    lib: ["es2023", "esnext.disposable", ...(node ? [] : ["dom"])],
    types: node ? ["node"] : [],
    ...options,
  };
  const include = options.skipLibCheck ? Object.values(folders) : [folders.own];
  return JSON.stringify({ compilerOptions, include });
}
