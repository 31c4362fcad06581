/** The two halves of a command line. */
export interface SplitCommandLine {
  /** What is addressed to leasehold. */
  readonly own: readonly string[];
  /** The command to run: everything after the first `--`; `undefined` when there is no `--`. */
  readonly command: readonly string[] | undefined;
}

/**
 * Splits at the first `--`, so that no option of the command is ever taken for one of leasehold's. `kv` runs none: there
 * it stands before what is no option.
 */
export function splitCommandLine(argv: readonly string[]): SplitCommandLine {
  const index = argv[0] === "kv" ? -1 : argv.indexOf("--");
  if (index === -1) return { own: argv, command: undefined };
  return { own: argv.slice(0, index), command: argv.slice(index + 1) };
}
