import { join } from "node:path";
import ts from "typescript";
import { entryPoints, root } from "../package/sources.ts";
import type { Example } from "./find-examples.ts";

/** Type-checks all examples with the project's own settings. Answers what is wrong, each with its place. */
export function checkTypes(examples: readonly Example[]): readonly string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  options.paths = Object.fromEntries(
    entryPoints().map(({ specifier, path }) => [specifier, [join(root, path)]]),
  );
  // In the root, where their imports of other packages resolve; nothing is written.
  const files = new Map(
    examples.map((example, index) => [join(root, `documentation-example-${index}.ts`), example]),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  // An example is a module, with or without imports.
  const textOf = (path: string): string | undefined => {
    const example = files.get(path);
    return example && `${example.code}\nexport {};\n`;
  };
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => textOf(path) ?? readFile(path);
  host.getSourceFile = (path, target, ...rest) => {
    const text = textOf(path);
    return text === undefined
      ? getSourceFile(path, target, ...rest)
      : ts.createSourceFile(path, text, target, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, example]) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map((diagnostic) => {
      const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
      const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
      return `${example.place} line ${line + 1}: ${message}`;
    }),
  );
}
