import type { StoredRecord } from "../../core/backend.ts";
import { keyToSubject } from "./key-subjects.ts";
import { headerOf, isMarker } from "./message-headers.ts";
import type { ApiAnswer, StreamClient } from "./stream-client.ts";

/** What stands under a key. */
export interface KeyState {
  /** The sequence of its last message, a marker included; 0 when there is none. */
  readonly sequence: number;
  /** The record, or null where there is no message or a marker of its absence. */
  readonly record: StoredRecord | null;
}

/** A message as the API hands it out. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  /** Base64, as are the headers. Left out when empty. */
  readonly data?: string;
  readonly hdrs?: string;
}

interface MessageAnswer extends ApiAnswer {
  readonly message?: StoredMessage;
}

const messageNotFound = 10037;
const readsAtOnce = 64;
const nothing: KeyState = { sequence: 0, record: null };

/**
 * One message of the stream, from its leader, or null.
 *
 * @throws StoreMissingError when the stream is gone.
 */
export async function readMessage(client: StreamClient, query: object): Promise<StoredMessage | null> {
  const { message, error } = await client.ask<MessageAnswer>("STREAM.MSG.GET", query);
  if (message !== undefined) return message;
  if (error?.err_code === messageNotFound) return null;
  throw client.unexpected("STREAM.MSG.GET", error ?? {});
}

/** What stands under a key, as its leader sees it. */
export async function readKey(client: StreamClient, key: string): Promise<KeyState> {
  const subject = client.subjectPrefix + keyToSubject(key);
  const message = await readMessage(client, { last_by_subj: subject });
  return message === null ? nothing : { sequence: message.seq, record: recordOf(key, message) };
}

/** What stands under each key, a bounded number of reads at a time. */
export async function readKeys(client: StreamClient, keys: readonly string[]): Promise<readonly KeyState[]> {
  const [only] = keys;
  if (keys.length === 1 && only !== undefined) return [await readKey(client, only)];
  const states: KeyState[] = new Array(keys.length);
  const next = keys.entries();
  // The readers share one iterator: each takes the next key when it is done with the one before.
  let isOver = false;
  const reader = async (): Promise<void> => {
    for (const [index, key] of next) {
      if (isOver) return;
      states[index] = await readKey(client, key);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(readsAtOnce, keys.length) }, reader));
  } finally {
    // One failure is the answer to all; the others need not go on asking a server that does not answer.
    isOver = true;
  }
  return states;
}

/** The record that a message holds, or null for a marker. */
export function recordOf(key: string, message: StoredMessage): StoredRecord | null {
  if (message.hdrs !== undefined) {
    const headers = Buffer.from(message.hdrs, "base64").toString("latin1");
    if (isMarker((name) => headerOf(headers, name))) return null;
  }
  return { key, value: Buffer.from(message.data ?? "", "base64"), version: String(message.seq) };
}
