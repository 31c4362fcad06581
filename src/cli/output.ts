/**
 * Writes what a program or a person asked for to standard output, all of it, however slowly it is read. Answers whether
 * anybody still reads. Unlike a message, it may wait: no command runs that shares the stream.
 */
export function print(text: string | Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const { stdout } = process;
    const fail = (error: NodeJS.ErrnoException): void => {
      // The reader has seen enough, as `head` does.
      if (error.code === "EPIPE") resolve(false);
      else reject(error);
    };
    stdout.once("error", fail);
    stdout.write(text, (error) => {
      // The event of the same error comes later.
      if (error) return fail(error);
      stdout.removeListener("error", fail);
      resolve(true);
    });
  });
}

/** Text that cannot move the cursor of a terminal, whatever name or reason somebody chose. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Rows under their heads, each column as wide as its widest cell. Cells are {@link printable}. */
export function formatTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows.map((row) => row.map(printable))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? "")].length)));
  const pad = (cell: string, column: number): string =>
    column === heads.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - [...cell].length);
  return lines.map((line) => `${line.map(pad).join("  ").trimEnd()}\n`).join("");
}
