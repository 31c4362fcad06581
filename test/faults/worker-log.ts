import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { sharedNowMs, type WorkerEvent } from "./history.ts";

type WithoutTime<E> = E extends unknown ? Omit<E, "at"> : never;

/** Writes down what happens, at once: a worker that is killed in the next instruction has still said it. */
export interface LogWriter {
  write(event: WithoutTime<WorkerEvent>, at?: number): void;
}

/** Appends to a log, one line of JSON for each event. */
export function openLogWriter(path: string): LogWriter {
  const file = openSync(path, "a");
  return {
    write(event, at = sharedNowMs()) {
      writeSync(file, `${JSON.stringify({ at, ...event })}\n`);
    },
  };
}

/** Reads a log while it grows. */
export interface LogReader extends Disposable {
  /** All that has been written so far. */
  read(): readonly WorkerEvent[];
}

const chunkBytes = 65_536;

/** Opens a log, which may not exist yet. A half-written last line, of a worker killed while writing, is left out. */
export function openLogReader(path: string): LogReader {
  const file = openSync(path, "a+");
  const events: WorkerEvent[] = [];
  const chunk = Buffer.alloc(chunkBytes);
  let rest = Buffer.alloc(0);
  let position = 0;
  return {
    read() {
      for (;;) {
        const bytes = readSync(file, chunk, 0, chunkBytes, position);
        if (bytes === 0) return events;
        position += bytes;
        const text = Buffer.concat([rest, chunk.subarray(0, bytes)]);
        const end = text.lastIndexOf("\n") + 1;
        rest = Buffer.from(text.subarray(end));
        for (const line of text.toString("utf8", 0, end).split("\n")) {
          if (line !== "") events.push(JSON.parse(line) as WorkerEvent);
        }
      }
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
