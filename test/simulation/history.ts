import type { StoredRecord } from "../../src/core/backend.ts";
import { type CounterRecord, decodeCounter } from "../../src/core/counter-record.ts";
import { decodeEntry, versionOf } from "../../src/kv/entry-record.ts";
import type { Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { decodeSession, type SessionRecord } from "../../src/sessions/session-record.ts";
import type { Plan } from "./plan.ts";

/** A record of the store, read by its kind. */
export type Decoded =
  | { readonly kind: "roster"; readonly name: string; readonly roster: Roster }
  | { readonly kind: "session"; readonly session: string; readonly record: SessionRecord }
  | { readonly kind: "counter"; readonly name: string; readonly counter: CounterRecord }
  | { readonly kind: "limit"; readonly record: string }
  | {
      readonly kind: "entry";
      readonly namespace: string;
      readonly name: string;
      readonly version: string;
      /** `undefined`: it was deleted. */
      readonly value: number | undefined;
      readonly updatedAtMs: number;
    }
  | { readonly kind: "blocks"; readonly name: string; readonly last: number };

/** What one store event did to one key. */
export interface DecodedChange {
  readonly key: string;
  readonly before: Decoded | null;
  readonly after: Decoded | null;
}

/** What happened, as somebody who sees everything writes it down. `call` numbers what a client asked for. */
export type Happening =
  | {
      readonly what: "store";
      readonly event: "commit" | "wipe" | "rollback";
      readonly changes: readonly DecodedChange[];
    }
  /** A client asked for a lock. */
  | {
      readonly what: "asked";
      readonly call: number;
      readonly name: string;
      readonly how: "acquire" | "acquire several" | "try" | "steal";
      /** How long at most, on its own clock. */
      readonly waitMs: number;
      /** Whether it comes back under the identity of its earlier life. */
      readonly resumes?: true;
    }
  | {
      readonly what: "granted";
      readonly call: number;
      readonly name: string;
      readonly fence: number;
      readonly weight: number;
    }
  /** A leader published something. */
  | { readonly what: "proclaimed"; readonly call: number; readonly name: string }
  /** A holder was asked to give it back, and does. */
  | { readonly what: "asked back"; readonly call: number; readonly name: string }
  /** Somebody takes a name from whoever holds it, or from the holder with this fence. */
  | { readonly what: "force asked"; readonly call: number; readonly name: string; readonly fence?: number }
  /** `taken`: whether it says that somebody held it. */
  | { readonly what: "forced"; readonly call: number; readonly name: string; readonly taken: boolean }
  /** A leader resigns, and says who is to lead next. */
  | {
      readonly what: "handing over";
      readonly call: number;
      readonly name: string;
      readonly fence: number;
      readonly to: string;
    }
  | { readonly what: "handed over"; readonly call: number; readonly name: string; readonly outcome: string }
  /** The work of a slot begins. `slot`: its number; none: a run without one. */
  | {
      readonly what: "slot begun";
      readonly call: number;
      readonly name: string;
      readonly slot?: number;
      readonly fence: number;
      readonly attempt: number;
      readonly atMostMs?: number;
    }
  /** What a run of a slot led to: `ran`, why not, or the code of an error. */
  | { readonly what: "slot answered"; readonly call: number; readonly name: string; readonly outcome: string }
  /** A party goes on, with all others of the round. Its grant is that of the same call. */
  | {
      readonly what: "barrier entered";
      readonly call: number;
      readonly name: string;
      readonly round: number;
      readonly fence: number;
    }
  | { readonly what: "barrier left"; readonly call: number; readonly name: string; readonly round: number }
  | { readonly what: "counting"; readonly call: number; readonly name: string; readonly id: string }
  | { readonly what: "counted"; readonly call: number; readonly name: string; readonly missing: number }
  /** Who waited for a latch goes on. */
  | { readonly what: "latch passed"; readonly call: number; readonly name: string }
  /** A grant has another weight from now on. */
  | {
      readonly what: "reweighed";
      readonly call: number;
      readonly name: string;
      readonly fence: number;
      readonly weight: number;
    }
  /** A try that found it held, or an acquire that was given up. */
  | { readonly what: "not granted"; readonly call: number; readonly name: string; readonly code: string }
  /** The holder did something that only a holder may do, having asked its signal first. */
  | { readonly what: "acted"; readonly call: number; readonly name: string; readonly fence: number }
  /** The signal of a grant aborted. */
  | { readonly what: "lost"; readonly call: number; readonly name: string; readonly reason: string }
  /** The holder does nothing more under this grant. */
  | { readonly what: "finished"; readonly call: number; readonly name: string }
  | { readonly what: "releasing"; readonly call: number; readonly name: string }
  | { readonly what: "released"; readonly call: number; readonly name: string; readonly code: string }
  /** A write of a holder reached a resource that checks fences. */
  | {
      readonly what: "written";
      readonly call: number;
      readonly name: string;
      readonly fence: number;
      readonly accepted: boolean;
    }
  | { readonly what: "add asked"; readonly call: number; readonly name: string; readonly delta: number }
  | { readonly what: "added"; readonly call: number; readonly name: string; readonly sum: number }
  | { readonly what: "entry add asked"; readonly call: number; readonly name: string; readonly delta: number }
  | { readonly what: "entry added"; readonly call: number; readonly name: string; readonly sum: number }
  | { readonly what: "entry not added"; readonly call: number; readonly name: string; readonly code: string }
  /** What became of a transaction: `OK`, or the code of an error. */
  | { readonly what: "moved"; readonly call: number; readonly name: string; readonly code: string }
  /** Nobody knows whether the add was applied. */
  | { readonly what: "add doubtful"; readonly call: number; readonly name: string; readonly code: string }
  | { readonly what: "tokens asked"; readonly call: number; readonly name: string; readonly cost: number }
  /** They were taken, at some moment since they were asked for. */
  | {
      readonly what: "tokens taken";
      readonly call: number;
      readonly name: string;
      readonly tokens: number;
      readonly source: string;
    }
  /** `source`: who said no; `degraded`: that the store was away. Or the code of an error. */
  | { readonly what: "tokens denied"; readonly call: number; readonly name: string; readonly source: string }
  /** Tokens that had been set apart were used up, or given back. */
  | { readonly what: "tokens settled"; readonly call: number; readonly name: string; readonly code: string }
  /** A client asked for numbers of a sequence, or for one to work with. */
  | { readonly what: "numbers asked"; readonly call: number; readonly name: string }
  /** The work of a call wrote something under a number, unless somebody had before. */
  | { readonly what: "number written"; readonly call: number; readonly name: string; readonly number: number }
  | {
      readonly what: "numbered";
      readonly call: number;
      readonly name: string;
      readonly first: number;
      readonly last: number;
    }
  | { readonly what: "not numbered"; readonly call: number; readonly name: string; readonly code: string }
  /** A process began, or ended. */
  | {
      readonly what: "process";
      readonly state: "started" | "crashed" | "closing" | "closed" | "stopped" | "resumed" | "woken";
    }
  /** Something out of the ordinary was done to the world. */
  | { readonly what: "accident"; readonly kind: string; readonly place: string }
  /** A fault that struck one request or hint. */
  | { readonly what: "mishap"; readonly kind: string; readonly place: string }
  /** What really came of it, told right after the store event that it is about. */
  | { readonly what: "noticed"; readonly kind: "stale read" | "unanswered write" }
  /** A heartbeat, or the opening of a session, left its process. */
  | { readonly what: "beat answered"; readonly session: string; readonly beat: number }
  | { readonly what: "beat sent"; readonly session: string; readonly beat: number; readonly ttlMs: number }
  /** From here on everything works. */
  | { readonly what: "calm" }
  | { readonly what: "phase"; readonly name: string; readonly inTime: boolean }
  /** Something that the simulated code must never do: an error that nobody caught. */
  | { readonly what: "uncaught"; readonly message: string };

/** A {@link Happening} with its time and the process that it is about. */
export type HistoryEvent = Happening & {
  readonly atMs: number;
  readonly by: string;
  /** The monotonic clock of that process; 0 for what no process did. */
  readonly localMs: number;
};

/** What stood in the store at some moment. */
export type Snapshot = ReadonlyMap<string, Decoded>;

/** Everything that happened in one simulated run. */
export interface History {
  readonly plan: Plan;
  readonly events: readonly HistoryEvent[];
  /** When everybody had finished and nobody had closed yet. */
  readonly quiet: Snapshot;
  /** When everybody had left. */
  readonly final: Snapshot;
  /** Places where something out of the ordinary happened. */
  readonly taken: readonly string[];
  /** Events of virtual time. */
  readonly steps: number;
}

const textDecoder = new TextDecoder();

/** Reads a record by its kind. */
export function decode(record: StoredRecord | null): Decoded | null {
  if (record === null) return null;
  const { key, value } = record;
  const [, kind, name = ""] = key.split(".");
  if (kind === "session") return { kind: "session", session: name, record: decodeSession(key, value) };
  if (kind === "counter") return { kind: "counter", name, counter: decodeCounter(key, value) };
  if (kind === "kv") return entryIn(key, name, value);
  if (kind === "rate-limit") return { kind: "limit", record: textDecoder.decode(value) };
  if (kind === "sequence-blocks") return { kind: "blocks", name, last: decodeCounter(key, value).sum };
  const { roster, name: lockName } = decodeRoster(key, value);
  return { kind: "roster", name: lockName, roster };
}

function entryIn(recordKey: string, namespace: string, bytes: Uint8Array): Decoded {
  const { key, newest } = decodeEntry(recordKey, bytes);
  const value = newest.value && Number(textDecoder.decode(newest.value.bytes));
  const { updatedAtMs } = newest;
  return { kind: "entry", namespace, name: key, version: versionOf(newest), value, updatedAtMs };
}

/** One line for each event: the same seed gives the same text, byte for byte. */
export function traceOf(history: History): string {
  return history.events.map((event) => `${lineOf(event)}\n`).join("");
}

function lineOf({ atMs, localMs, by, ...happening }: HistoryEvent): string {
  const start = `${atMs.toFixed(3).padStart(10)} ${by.padEnd(5)} ${localMs.toFixed(1).padStart(9)}`;
  if (happening.what === "store") {
    const changes = happening.changes.map(({ key, after }) => `${key} = ${textOf(after)}`);
    return `${start} ${happening.event}: ${changes.join("; ")}`;
  }
  const { what, ...details } = happening;
  return `${start} ${what} ${Object.entries(details)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")}`;
}

function textOf(decoded: Decoded | null): string {
  if (decoded === null) return "nothing";
  if (decoded.kind === "counter") return JSON.stringify([decoded.counter.sum, ...decoded.counter.receipts]);
  if (decoded.kind === "limit") return decoded.record;
  if (decoded.kind === "entry") return `${decoded.value ?? "deleted"} at ${decoded.updatedAtMs}`;
  if (decoded.kind === "blocks") return `numbers up to ${decoded.last}`;
  if (decoded.kind === "session") {
    const { record } = decoded;
    // Who declares a death says the name of this machine and its process, which are not of the run.
    return record.state === "dead" ? "dead" : `beat ${record.beat}`;
  }
  const { fence, holders, waiters } = decoded.roster;
  const held = holders.map((holder) => `${nameOf(holder)}#${holder.fence}`);
  const noted = decoded.roster.note === undefined ? "" : `, noted ${JSON.stringify(decoded.roster.note)}`;
  return `${fence} held by [${held.join(" ")}], awaited by [${waiters.map(nameOf).join(" ")}]${noted}`;
}

function nameOf({ session, ticket }: { readonly session: string; readonly ticket: number }): string {
  return `${session.replace(/-+$/, "")}/${ticket}`;
}
