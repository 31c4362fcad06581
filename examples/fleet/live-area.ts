/** The lower end of a terminal, drawn again and again, with lines that stay above it. */
export interface LiveArea extends Disposable {
  /** Shows `frame` in place of the last one, after `lines` that scroll away with time. */
  draw(frame: readonly string[], lines: readonly string[]): void;
}

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
const wrapLines = "\x1b[?7h";
/** A line that is too long is cut by the terminal, so that each line of a frame is one row. */
const cutLines = "\x1b[?7l";
const eraseBelow = "\x1b[J";

/** Whether a frame of so many rows can be drawn again in place. */
export function canBeLive(terminal: NodeJS.WriteStream, rows: number): boolean {
  return terminal.isTTY && process.env.TERM !== "dumb" && terminal.rows > rows;
}

/** Begins to draw. */
export function liveArea(terminal: NodeJS.WriteStream): LiveArea {
  let rows = 0;
  terminal.write(hideCursor);
  return {
    draw(frame, lines) {
      const back = rows === 0 ? "" : `\x1b[${rows}A\r`;
      const above = lines.map((line) => `${line}\n`).join("");
      const below = frame.map((line) => `${line}\n`).join("");
      terminal.write(back + eraseBelow + wrapLines + above + cutLines + below + wrapLines);
      rows = frame.length;
    },
    [Symbol.dispose]: () => terminal.write(showCursor),
  };
}
