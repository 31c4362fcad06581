import { inspect } from "node:util";
import { LeaseholdError, StoreMissingError } from "../index.ts";
import { exitCodeOfError, exitCodes } from "./exit-codes.ts";

/** An end of the program that is not a success: one line for people, one exit code for programs. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, details?: { readonly cause?: unknown }) {
    super(message, details);
    this.exitCode = exitCode;
  }
}

/** A {@link CommandFailure} for something that the user has to write differently. */
export function usageError(message: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, message);
}

/** What to print and how to exit for anything that was thrown. With `LEASEHOLD_DEBUG`: everything there is. */
export function failureOf(
  error: unknown,
  environment: NodeJS.ProcessEnv,
): { readonly exitCode: number; readonly message: string } {
  const exitCode = exitCodeOf(error);
  if (environment.LEASEHOLD_DEBUG) return { exitCode, message: inspect(error) };
  if (error instanceof StoreMissingError) return { exitCode, message: forTheShell(error.message) };
  if (error instanceof CommandFailure || error instanceof LeaseholdError) {
    return { exitCode, message: error.message };
  }
  const text = error instanceof Error ? error.message : String(error);
  return {
    exitCode,
    message: `unexpected error: ${text}. Set LEASEHOLD_DEBUG=1 to see where it comes from`,
  };
}

/** What the library advises is for programs: nobody can call setup() in a shell. */
function forTheShell(message: string): string {
  return message
    .replace(/Call setup\(\) to create it/, "Create it with setup()")
    .replace(/(create it with) setup\(\)/i, "$1 a command that writes (leasehold kv set, leasehold lock)")
    .replace("correct the path", "name another one with --url or LEASEHOLD_URL");
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandFailure) return error.exitCode;
  return error instanceof LeaseholdError ? exitCodeOfError(error.code) : exitCodes.internal;
}
