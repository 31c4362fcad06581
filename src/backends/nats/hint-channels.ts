import type { ChangeHint, Unsubscribe } from "../../core/backend.ts";
import { invariant } from "../../core/invariant.ts";
import { encodeName } from "../../core/names.ts";
import { changesPrefix } from "./bucket-config.ts";
import { prefixWildcard, subjectToKey } from "./key-subjects.ts";
import { isMarker } from "./message-headers.ts";
import type { NatsMessage } from "./nats-connection.ts";
import type { StreamClient } from "./stream-client.ts";

/**
 * Watches and wakes over plain subscriptions: no consumer on the server, nothing to clean up after a crash. The
 * client renews them after a reconnect; what was sent meanwhile is lost, as the contract allows.
 */
export class HintChannels {
  readonly #client: StreamClient;
  readonly #open = new Set<Unsubscribe>();
  readonly #wakePrefix: string;

  constructor(client: StreamClient) {
    this.#client = client;
    this.#wakePrefix = `leasehold.${client.bucket}.wake.`;
  }

  /** Hints come after the commit, with the record: the bucket republishes what it has stored. */
  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe {
    invariant(
      /^[-=.\w]*$/.test(prefix),
      `prefixes are made of [A-Za-z0-9_=.-]; got ${JSON.stringify(prefix)}`,
    );
    const base = changesPrefix(this.#client.bucket);
    return this.#subscribe(base + prefixWildcard(prefix), (message) => {
      const key = subjectToKey(message.subject.slice(base.length));
      if (key?.startsWith(prefix) === true) listener(hintOf(key, message));
    });
  }

  wake(clientId: string, hint: string): void {
    if (this.#client.isClosed) return;
    try {
      this.#client.connection.publish(this.#wakePrefix + encodeName(clientId), Buffer.from(hint));
    } catch {
      // The connection is draining: the nudge is lost, which its receiver must survive anyway.
    }
  }

  onWake(clientId: string, listener: (hint: string) => void): Unsubscribe {
    return this.#subscribe(this.#wakePrefix + encodeName(clientId), (message) => {
      const { buffer, byteOffset, byteLength } = message.data;
      listener(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"));
    });
  }

  close(): void {
    for (const unsubscribe of this.#open) unsubscribe();
  }

  #subscribe(subject: string, deliver: (message: NatsMessage) => void): Unsubscribe {
    // A closed connection carries no hints any more; whoever listens finds out by its next request.
    if (this.#client.isClosed) return () => {};
    const subscription = this.#client.connection.subscribe(subject, {
      callback: (error, message) => {
        // A refused subscription ends here: without hints, everybody polls, and correctness needs none.
        if (error === null || error === undefined) deliver(message);
      },
    });
    const unsubscribe = (): void => {
      if (this.#open.delete(unsubscribe)) subscription.unsubscribe();
    };
    this.#open.add(unsubscribe);
    return unsubscribe;
  }
}

function hintOf(key: string, { headers, data }: NatsMessage): ChangeHint {
  const header = (name: string): string | undefined => headers?.get(name) || undefined;
  if (isMarker(header)) return { key, record: null };
  const version = header("Nats-Sequence");
  return version === undefined ? { key } : { key, record: { key, value: data, version } };
}
