import { isTerminal, writeLine } from "./terminal.ts";

/** How much a user wants to read, as commander answers it. */
export interface VerbosityOptions {
  readonly quiet?: true;
  readonly verbose?: true;
}

/** Tells people on stderr what happens. Programs look at the exit code. */
export interface Reporter {
  /** Whether anybody sees {@link Reporter.progress}. */
  readonly showsProgress: boolean;
  /** What a person in front of a terminal wants to know, and `--verbose` shows everywhere. */
  progress(message: string): void;
  /** What only `--verbose` shows. */
  detail(message: string): void;
  /** What matters to whoever reads the log later. Not with `--quiet`. */
  notice(message: string): void;
  /** Always. */
  alarm(message: string): void;
}

/** The {@link Reporter} of this process. */
export function createReporter({
  quiet = false,
  verbose = false,
}: Partial<Record<keyof VerbosityOptions, boolean>>): Reporter {
  const showsProgress = verbose || (!quiet && isTerminal("stderr"));
  const say = (isWanted: boolean) => (message: string) => {
    if (isWanted) writeLine("stderr", `leasehold: ${message}`);
  };
  return {
    showsProgress,
    progress: say(showsProgress),
    detail: say(verbose),
    notice: say(!quiet),
    alarm: say(true),
  };
}
