/**
 * Makes `dist` of what the compiler wrote to `.cache/build`, as small as can be without taking anything from users: one
 * file for each entry of package.json, and chunks for what several share. The last step of the build.
 *
 * Programs lose line breaks and the names of local variables; functions and classes keep theirs, for whoever reads a
 * stack. Declarations keep every word about what can be imported, and lose what no entry leads to.
 */
import { readFileSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { minifySync } from "rolldown/utils";
import { type OutputOptions, type Plugin, type RollupOptions, rollup } from "rollup";
import { dts } from "rollup-plugin-dts";

const root = resolve(import.meta.dirname, "..");
const compiled = join(root, ".cache/build");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
};
const subpaths = Object.values(manifest.exports).filter((target) => typeof target !== "string");

const lineLengthWanted = 500;
const harmless = [
  // The compiler's own helpers ask for `this`, and do without.
  /^THIS_IS_UNDEFINED /,
  // Some parameters have a type without a public name. What is public is for `test/package/public-api.test.ts`.
  /^PLUGIN_WARNING .*references private shared type exports/,
];

rmSync(join(root, "dist"), { recursive: true, force: true });
await bundle({
  input: entries([...subpaths.map((target) => target.default), ...Object.values(manifest.bin)], ".js"),
  plugins: [addressFiles(), minifyPrograms()],
  suffix: ".js",
});
await bundle({
  input: entries(
    subpaths.map(({ types }) => types),
    ".d.ts",
  ),
  plugins: [dts(), referLibraries()],
  suffix: ".d.ts",
});

/** The compiler's files by their places in `dist`, without suffixes. */
function entries(paths: readonly string[], suffix: string): Record<string, string> {
  return Object.fromEntries(
    paths.map((path) => {
      const name = relative("dist", path).slice(0, -suffix.length);
      return [name, join(compiled, `${name}${suffix}`)];
    }),
  );
}

async function bundle({ suffix, ...options }: RollupOptions & { readonly suffix: string }): Promise<void> {
  const build = await rollup({
    ...options,
    external: (specifier) => !/^[./]/.test(specifier),
    treeshake: { moduleSideEffects: false },
    onLog: (_level, { code, message }) => {
      if (!harmless.some((known) => known.test(`${code} ${message}`))) throw new Error(message);
    },
  });
  await build.write({
    dir: join(root, "dist"),
    entryFileNames: `[name]${suffix}`,
    chunkFileNames: (chunk) => `${chunkName(chunk.moduleIds)}${suffix}`,
    generatedCode: "es2015",
    hoistTransitiveImports: false,
  } satisfies OutputOptions);
  await build.close();
}

/** Named after the last of its modules, which the others serve: the place of a chunk says what it is for. */
function chunkName(modules: readonly string[]): string {
  return relative(compiled, modules.at(-1) ?? "").replace(/(\.d)?\.[jt]s$/, "");
}

/**
 * `new URL("./there.js", import.meta.url)` means the same file after its module went into a chunk elsewhere. A program
 * that is addressed like this, that of a thread for example, becomes an entry.
 */
function addressFiles(): Plugin {
  const address = /new URL\("(\.[^"]+\.js(?:on)?)", import\.meta\.url\)/g;
  const others = new Map<string, string>();
  return {
    name: "address-files",
    transform(code, id) {
      return code.replace(address, (_all, path: string) => {
        const target = join(dirname(id), path);
        if (path.endsWith(".js")) {
          const fileName = relative(compiled, target);
          return `import.meta.ROLLUP_FILE_URL_OBJ_${this.emitFile({ type: "chunk", id: target, fileName })}`;
        }
        const property = `FILE_${others.size}`;
        others.set(property, join(root, relative(join(root, ".cache"), target)));
        return `import.meta.${property}`;
      });
    },
    resolveImportMeta(property, { chunkId }) {
      const target = property === null ? undefined : others.get(property);
      if (target === undefined) return null;
      const path = relative(join(root, "dist", dirname(chunkId)), target);
      return `new URL(${JSON.stringify(path)}, import.meta.url)`;
    },
  };
}

function minifyPrograms(): Plugin {
  const names = { function: true, class: true };
  return {
    name: "minify-programs",
    renderChunk(code, { fileName }) {
      const { code: small, errors } = minifySync(fileName, code, {
        module: true,
        compress: { target: "es2023", keepNames: names, sequences: false },
        mangle: { toplevel: true, keepNames: names },
      });
      if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
      return breakLines(small, this.parse(small));
    },
  };
}

/**
 * The types of `await using` are in no compiler's default libraries, and the first example needs them: declarations that
 * name them bring them along, so that users need neither the option `lib` nor `@types/node`.
 */
function referLibraries(): Plugin {
  const comments = /\/\*[\s\S]*?\*\//g;
  const needed = /\b(?:Async)?Disposable\b|\bSymbol\.(?:asyncD|d)ispose\b/;
  return {
    name: "refer-libraries",
    renderChunk: (code) =>
      needed.test(code.replace(comments, "")) ? `/// <reference lib="esnext.disposable" />\n${code}` : null,
  };
}

/** Begins a new line where a statement does, now and then: Node prints the whole line of an error that nobody caught. */
function breakLines(code: string, program: object): string {
  let [lines, lineStart] = ["", 0];
  for (const start of statementStarts(program)) {
    if (start - lineStart < lineLengthWanted) continue;
    lines += `${code.slice(lineStart, start)}\n`;
    lineStart = start;
  }
  return lines + code.slice(lineStart);
}

/** Where the statements and members of classes below a node begin, in order. */
function* statementStarts(node: object): Iterable<number> {
  for (const [key, child] of Object.entries(node)) {
    if (typeof child !== "object" || child === null) continue;
    for (const part of Array.isArray(child) ? child : [child]) {
      if (typeof part !== "object" || part === null) continue;
      if (Array.isArray(child) && (key === "body" || key === "consequent")) yield part.start;
      yield* statementStarts(part);
    }
  }
}
