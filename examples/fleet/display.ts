import { stripVTControlCharacters, styleText } from "node:util";
import type { Finding } from "./check.ts";
import { canBeLive, liveArea } from "./live-area.ts";
import type { WorkerView } from "./worker-view.ts";

/** What is going on. */
export interface Scene {
  readonly workers: readonly WorkerView[];
  readonly done: number;
  readonly jobs: number;
  readonly ttlMs: number;
}

/** Shows a run: a table that changes in place on a terminal, plain lines elsewhere. */
export interface Display extends Disposable {
  /** Something worth a line everywhere. */
  event(text: string, color?: Color): void;
  /** Something that the table shows too. */
  detail(text: string): void;
  /** Brings the table up to date. */
  draw(scene: Scene): void;
  /** The result of the check. */
  findings(findings: readonly Finding[]): void;
}

export type Color = "red" | "yellow" | "green" | "magenta";

/** Makes the display that fits where the output goes. */
export function createDisplay(output: NodeJS.WriteStream, workers: number): Display {
  const startedAtMs = Date.now();
  const area = canBeLive(output, workers + 8) ? liveArea(output) : undefined;
  const paint = (color: Color | "gray" | "bold", text: string) => styleText(color, text, { stream: output });
  const stamp = () => paint("gray", `${((Date.now() - startedAtMs) / 1_000).toFixed(1).padStart(5)} s  `);
  /** What is yet to be printed. */
  const lines: string[] = [];
  const write = (margin: string, text: string, color?: Color): void => {
    const indent = stripVTControlCharacters(margin).length;
    const room = output.isTTY ? (output.columns || 80) - indent : Number.POSITIVE_INFINITY;
    for (const [index, part] of wrap(text, room).entries()) {
      const begin = index === 0 ? margin : " ".repeat(indent);
      lines.push(begin + (color === undefined ? part : paint(color, part)));
    }
    if (area === undefined) flush();
  };
  const flush = (): void => {
    for (const line of lines.splice(0)) output.write(`${line}\n`);
  };
  return {
    event: (text, color) => write(stamp(), text, color),
    detail: (text) => area === undefined && write(stamp(), text),
    draw: (scene) => area?.draw(["", ...table(scene, paint), "", bar(scene, paint)], lines.splice(0)),
    findings(findings) {
      write("", "");
      for (const { holds, text } of findings) {
        if (holds) write(`${paint("green", "✓")} `, text);
        else write(`${paint("red", "✗")} `, `FAILED: ${text}`, "red");
      }
      flush();
    },
    [Symbol.dispose]() {
      flush();
      area?.[Symbol.dispose]();
    },
  };
}

/** Breaks a text into lines, between words. */
function wrap(text: string, width: number): readonly string[] {
  const wrapped = [""];
  for (const word of text.split(" ")) {
    const line = wrapped.at(-1) ?? "";
    if (line === "") wrapped[wrapped.length - 1] = word;
    else if (line.length + 1 + word.length <= width) wrapped[wrapped.length - 1] = `${line} ${word}`;
    else wrapped.push(word);
  }
  return wrapped;
}

type Paint = (color: Color | "gray" | "bold", text: string) => string;

const stateColors: Partial<Record<WorkerView["state"], Color | "gray">> = {
  waiting: "gray",
  working: "green",
  stopped: "yellow",
  killed: "red",
  finished: "gray",
  failed: "red",
};

function table({ workers, ttlMs }: Scene, paint: Paint): readonly string[] {
  const header = row(["worker", "state", "job", "step", "fence", "lease", "done", "takeovers"]);
  const rows = workers.map((view) => {
    const { worker, state, job, fence, progress, done, takeovers } = view;
    const cells = [worker, state, job ?? "", progress, fence ?? "", lease(view, ttlMs), done, takeovers];
    const color = stateColors[state];
    return color === undefined ? row(cells) : paint(color, row(cells));
  });
  return [paint("bold", header), ...rows];
}

const widths = [6, 8, 12, 4, 16, 12, 4, 9];

function row(cells: readonly (string | number)[]): string {
  const fitted = cells.map((cell, index) => {
    const width = widths[index] ?? 0;
    const text = String(cell);
    return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
  });
  return ` ${fitted.join(" ")}`;
}

function lease({ job, leaseEndsAtMs }: WorkerView, ttlMs: number): string {
  if (job === null) return "";
  const leftMs = leaseEndsAtMs - Date.now();
  return leftMs <= 0
    ? "expired"
    : `${gauge(leftMs / ttlMs, 6)} ${(leftMs / 1_000).toFixed(leftMs < 10_000 ? 1 : 0)} s`;
}

function bar({ done, jobs }: Scene, paint: Paint): string {
  return ` ${paint("green", gauge(done / jobs, 40))} ${done} of ${jobs} jobs done`;
}

function gauge(part: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, part)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}
