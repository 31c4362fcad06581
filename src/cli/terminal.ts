import { writeSync } from "node:fs";
import { isatty } from "node:tty";

const descriptors = { stdin: 0, stdout: 1, stderr: 2 } as const;

/** Whether a standard stream is a terminal. */
export function isTerminal(stream: keyof typeof descriptors): boolean {
  return isatty(descriptors[stream]);
}

/**
 * Writes text to a standard stream. Not through `process.stderr`: Node makes the pipe behind it non-blocking, and
 * the command that inherits the same pipe would see its own writes fail.
 */
export function write(stream: "stdout" | "stderr", text: string): void {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptors[stream], rest));
  } catch (error) {
    // Nobody reads it, or the reader is too slow: a message is never worth more than the command that runs.
    if (!["EPIPE", "EAGAIN", "EIO", "EBADF"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
  }
}

/** Writes text as one line, whatever it holds. */
export function writeLine(stream: "stdout" | "stderr", text: string): void {
  write(stream, `${text.trim().replace(/\s*\n\s*/g, " ")}\n`);
}
