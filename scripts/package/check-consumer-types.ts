import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findExamples } from "../../test/docs/find-examples.ts";
import type { ConsumerProject } from "./consumer-project.ts";

const moduleKinds = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

const foreign = /from "(?:leasehold\/)?(nats|dynamodb|@nats-io\/[\w-]+|@aws-sdk\/[\w-]+)"/g;
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
 * resolution, with the declarations of every package checked and not.
 */
export async function checkConsumerTypes(project: ConsumerProject, types: AvailableTypes): Promise<void> {
  const examples = findExamples().filter(
    ({ code, exemption }) =>
      exemption !== "no-check" &&
      [...code.matchAll(foreign)].every((match) => isThere(match[1] ?? "", types.packages)) &&
      (types.node || !nodeOnly.test(code)),
  );
  if (examples.length === 0) throw new Error("no example fits this project");
  const folder = join(project.folder, "examples");
  await mkdir(folder, { recursive: true });
  for (const [index, { code, place }] of examples.entries()) {
    await writeFile(join(folder, `example-${index}.ts`), `// ${place}\n${code}\nexport {};\n`);
  }
  for (const kind of Object.values(moduleKinds)) {
    for (const skipLibCheck of [false, true]) {
      await writeFile(join(project.folder, "tsconfig.json"), settings(types, { ...kind, skipLibCheck }));
      await project.run("tsc", "-p", "tsconfig.json");
    }
  }
}

function isThere(name: string, packages: readonly string[]): boolean {
  if (name === "nats") return packages.some((there) => there === "nats" || there.startsWith("@nats-io/"));
  if (name === "dynamodb") return packages.some((there) => there.startsWith("@aws-sdk/"));
  return packages.includes(name);
}

function settings({ node }: AvailableTypes, options: object): string {
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
  return JSON.stringify({ compilerOptions, include: ["examples"] });
}
