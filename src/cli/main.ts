#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { CommanderError } from "commander";
import { exitCodes } from "./exit-codes.ts";
import { failureOf, usageError } from "./failure.ts";
import { tooOldNode } from "./node-version.ts";
import { createProgram } from "./program.ts";
import { splitCommandLine } from "./split-command-line.ts";
import { writeLine } from "./terminal.ts";

async function run(argv: readonly string[]): Promise<number> {
  const tooOld = tooOldNode(process.versions.node);
  if (tooOld !== null) {
    writeLine("stderr", `leasehold: ${tooOld}`);
    return exitCodes.configuration;
  }
  const { own, command } = splitCommandLine(argv);
  let exitCode: number = exitCodes.ok;
  const program = createProgram({
    command,
    environment: process.env,
    exitWith: (code) => {
      exitCode = code;
    },
  });
  try {
    if (own.length === 0) throw usageError("which command? See leasehold --help");
    await program.parseAsync(own, { from: "user" });
    return exitCode;
  } catch (error) {
    // commander has printed its message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const failure = failureOf(error, process.env);
    if (failure.message !== "") writeLine("stderr", `leasehold: ${failure.message}`);
    return failure.exitCode;
  }
}

// Not process.exitCode: what a client library left open must not keep a finished command waiting.
process.exit(await run(process.argv.slice(2)));
