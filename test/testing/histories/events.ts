import { type Edn, type EdnMap, readEdn } from "./edn.ts";

/** A line of a history. */
export interface LoggedEvent {
  readonly process: Edn;
  readonly type: string;
  /** What was asked: `read`, `write`, `acquire` ... */
  readonly asked: string;
  readonly key: Edn;
  readonly value: Edn;
}

/** Something that a process asked for, and how it ended. Times are the numbers of the lines. */
export interface LoggedOperation {
  readonly asked: string;
  readonly key: Edn;
  /** What was asked with. */
  readonly argument: Edn;
  readonly outcome: "ok" | "fail" | "unknown";
  /** What came back; of an operation that failed, the reason. */
  readonly value: Edn;
  readonly calledAt: number;
  /** `Infinity` when the outcome is unknown. */
  readonly returnedAt: number;
}

const logLine = /\bjepsen\.[\w.]+(?::|\s+-)\s+(\S+\s+:(?:invoke|ok|fail|info)\s.*)$/;

/**
 * Reads a log of Jepsen: `INFO  jepsen.util - 0 :invoke :write 3` in each line that tells of an operation.
 *
 * @throws Error when a line tells of one in another way: nothing may get lost.
 */
export function readJepsenLog(text: string): readonly LoggedEvent[] {
  return text.split("\n").flatMap((line, index) => {
    const [, told] = logLine.exec(line.trim()) ?? [];
    if (told === undefined) {
      if (/:(invoke|ok|fail)\b/.test(line))
        throw new Error(`line ${index + 1} cannot be read: ${line.trim()}`);
      return [];
    }
    const [process = null, type = null, asked = null, value = null] = readEdn(told);
    return [{ process, type: word(type), asked: word(asked), key: null, value }];
  });
}

/** Reads maps such as `{:process 0, :type :invoke, :f :acquire, :value nil}`, one after the other or in a list. */
export function readEdnHistory(text: string): readonly LoggedEvent[] {
  return readEdn(text)
    .flatMap((value) => (Array.isArray(value) ? (value as readonly Edn[]) : [value]))
    .map((value) => {
      if (!(value instanceof Map)) throw new Error(`a history has maps for events; got ${String(value)}`);
      const event = value as EdnMap;
      const field = (name: string): Edn => event.get(name) ?? null;
      return {
        process: field(":process"),
        type: word(field(":type")),
        asked: word(field(":f")),
        key: field(":key"),
        value: field(":value"),
      };
    });
}

function word(value: Edn): string {
  return String(value).replace(/^:/, "");
}

/**
 * Pairs calls with their ends. Without an end, or with `info` for one, the outcome is unknown; so it is when the
 * process goes on as if nothing were open. What is no client, such as Jepsen's nemesis, is left out.
 *
 * @throws Error when something ends that was never called: then the history is not whole.
 */
export function pairEvents(events: readonly LoggedEvent[]): readonly LoggedOperation[] {
  const open = new Map<number, { readonly event: LoggedEvent; readonly calledAt: number }>();
  const operations: LoggedOperation[] = [];
  const end = (process: number, outcome: LoggedOperation["outcome"], value: Edn, at: number): void => {
    const call = open.get(process);
    if (call === undefined) throw new Error(`event ${at}: process ${process} ends what it never called`);
    open.delete(process);
    const { asked, key, value: argument } = call.event;
    const returnedAt = outcome === "unknown" ? Number.POSITIVE_INFINITY : at;
    operations.push({ asked, key, argument, outcome, value, calledAt: call.calledAt, returnedAt });
  };
  for (const [at, event] of events.entries()) {
    const { process, type, value } = event;
    if (typeof process !== "number") continue;
    if (type === "ok" || type === "fail") end(process, type, value, at);
    else if (open.has(process)) end(process, "unknown", null, at);
    if (type === "invoke") open.set(process, { event, calledAt: at });
  }
  for (const process of [...open.keys()]) end(process, "unknown", null, events.length);
  return operations;
}
