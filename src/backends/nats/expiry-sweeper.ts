import { LeaseholdError } from "../../core/errors.ts";
import type { CancelTimer, Runtime } from "../../core/runtime.ts";
import { expectLine, headerOf, isMarker, ownTtlHeader } from "./message-headers.ts";
import { readMessage, type StoredMessage } from "./read-records.ts";
import type { StreamClient } from "./stream-client.ts";

/** Carries the agreement on who sweeps, and where. No key can be named like this. */
const turnSubject = "leasehold/sweep";
const messagesMax = 1_000;
const markerKeptMs = 60_000;

/**
 * Collects expired records and old delete markers where the server has no per-message TTL (before 2.11).
 *
 * Now and then each client looks whether the turn record has moved since it last looked; if not, it takes the turn
 * with a conditional write, so that however many clients there are, about one sweeps in each interval. A sweep walks
 * up to a thousand messages in the order they were written and goes on there next time. Ages are differences of the
 * server's own time stamps, no client's clock counts. A removal names the sequence it is about, so that a record
 * which was renewed meanwhile stays.
 */
export class ExpirySweeper {
  readonly #client: StreamClient;
  readonly #runtime: Runtime;
  readonly #intervalMs: number;
  #cancel: CancelTimer | undefined;
  #lastTurn: number | undefined;
  #stopped = false;

  constructor(client: StreamClient, runtime: Runtime, intervalMs: number) {
    this.#client = client;
    this.#runtime = runtime;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    // The first look only learns where the turn stands; jitter keeps a restarted fleet apart.
    this.#schedule(this.#runtime.random() * this.#intervalMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#runtime.schedule(delayMs, () => {
      const again = () => this.#schedule(this.#intervalMs * (0.75 + this.#runtime.random() / 2));
      this.sweep().then(again, (error: unknown) => {
        // Garbage can wait: whatever keeps the store from answering also reaches the callers of the backend.
        if (error instanceof LeaseholdError) return again();
        throw error;
      });
    });
  }

  /** One look, and a sweep if it is this client's turn. Answers how many messages it removed. */
  async sweep(): Promise<number> {
    const subject = this.#client.subjectPrefix + turnSubject;
    const turn = await readMessage(this.#client, { last_by_subj: subject });
    const isMine = this.#lastTurn === (turn?.seq ?? 0);
    this.#lastTurn = turn?.seq ?? 0;
    if (!isMine) return 0;
    const taken = await this.#client.publish(
      subject,
      turn?.data === undefined ? undefined : Buffer.from(turn.data, "base64"),
      expectLine(String(turn?.seq ?? 0)),
    );
    if (!taken.stored) return 0;
    const mine = await readMessage(this.#client, { seq: taken.sequence });
    if (mine === null) return 0;
    const start = Number(Buffer.from(mine.data ?? "", "base64").toString("latin1")) || 1;
    const { removed, next } = await this.#walk(start, mine);
    const done = await this.#client.publish(
      subject,
      Buffer.from(String(next)),
      expectLine(String(taken.sequence)),
    );
    if (done.stored) this.#lastTurn = done.sequence;
    return removed;
  }

  async #walk(start: number, turn: StoredMessage): Promise<{ removed: number; next: number }> {
    const all = `${this.#client.subjectPrefix}>`;
    let removed = 0;
    let next = start;
    for (let walked = 0; walked < messagesMax && !this.#stopped; walked += 1) {
      const message = await readMessage(this.#client, { seq: next, next_by_subj: all });
      if (message === null || message.seq >= turn.seq) return { removed, next: 1 };
      next = message.seq + 1;
      if (!isExpired(message, turn.time)) continue;
      const { error } = await this.#client.ask("STREAM.PURGE", { filter: message.subject, seq: next });
      if (error !== undefined) throw this.#client.unexpected("STREAM.PURGE", error);
      removed += 1;
    }
    return { removed, next };
  }
}

function isExpired({ hdrs, time }: StoredMessage, now: string): boolean {
  if (hdrs === undefined) return false;
  const headers = Buffer.from(hdrs, "base64").toString("latin1");
  const header = (name: string) => headerOf(headers, name);
  const ttlMs = isMarker(header) ? markerKeptMs : Number(header(ownTtlHeader) ?? Number.POSITIVE_INFINITY);
  return Date.parse(now) - Date.parse(time) > ttlMs;
}
