import { join, relative } from "node:path";
import ts from "typescript";
import { entryPoints, root } from "./sources.ts";

/** Something that a user can import, with its declaration as published, without comments. */
export interface PublicExport {
  readonly name: string;
  readonly declaration: string;
  /** `path:line` in the sources. */
  readonly place: string;
  /** What JSDoc says of it, tags left out. */
  readonly description: string;
  readonly tags: readonly string[];
}

interface Compiled {
  readonly program: ts.Program;
  /** The declaration files, by the path of their source. */
  readonly emitted: ReadonlyMap<string, ts.SourceFile>;
}

/** Every export of every entry point, as the type declarations of the package show them. */
export function publicExports(): ReadonlyMap<string, readonly PublicExport[]> {
  const entries = entryPoints().filter(({ path }) => ts.sys.fileExists(join(root, path)));
  const compiled = compile(entries.map(({ path }) => join(root, path)));
  const checker = compiled.program.getTypeChecker();
  return new Map(
    entries.map(({ specifier, path }) => {
      const file = compiled.program.getSourceFile(join(root, path));
      const module = file && checker.getSymbolAtLocation(file);
      const symbols = module === undefined ? [] : checker.getExportsOfModule(module);
      return [specifier, symbols.map((symbol) => describe(symbol, compiled, checker)).sort(byName)];
    }),
  );
}

function byName(left: PublicExport, right: PublicExport): number {
  return left.name < right.name ? -1 : 1;
}

function compile(files: readonly string[]): Compiled {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  Object.assign(options, {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    stripInternal: true,
  });
  const program = ts.createProgram([...files], options);
  const emitted = new Map<string, ts.SourceFile>();
  program.emit(undefined, (name, text, _mark, _onError, sources) => {
    const source = sources?.[0]?.fileName;
    if (source !== undefined)
      emitted.set(source, ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true));
  });
  return { program, emitted };
}

function describe(symbol: ts.Symbol, compiled: Compiled, checker: ts.TypeChecker): PublicExport {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const declaration = target.declarations?.[0];
  if (declaration === undefined) throw new Error(`${symbol.name} is exported, and declared nowhere`);
  const source = declaration.getSourceFile();
  const line = source.getLineAndCharacterOfPosition(declaration.getStart()).line + 1;
  return {
    name: symbol.name,
    declaration: published(target.name, source, compiled),
    place: `${relative(root, source.fileName)}:${line}`,
    description: ts.displayPartsToString(target.getDocumentationComment(checker)),
    tags: target.getJsDocTags(checker).map((tag) => tag.name),
  };
}

const printer = ts.createPrinter({ removeComments: true });

/** The statements that declare `name` in the declaration file of `source`, one line each. */
function published(name: string, source: ts.SourceFile, { emitted }: Compiled): string {
  const file = emitted.get(source.fileName);
  const statements = file?.statements.filter((statement) => declares(statement, name)) ?? [];
  if (file === undefined || statements.length === 0) throw new Error(`${name} has no published declaration`);
  const texts = statements.map((statement) =>
    printer.printNode(ts.EmitHint.Unspecified, statement, file).replace(/^export (declare )?/, ""),
  );
  return texts.join("\n").replace(/^ {4}/gm, "  ");
}

function declares(statement: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some((declaration) => declaration.name.getText() === name);
  }
  return (statement as ts.Statement & { name?: ts.Identifier }).name?.text === name;
}
