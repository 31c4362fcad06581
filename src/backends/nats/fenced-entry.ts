import { describe } from "../../core/durations.ts";
import { CorruptRecordError, InvalidArgumentError } from "../../core/errors.ts";
import { expectLine, headerOf, isMarker } from "./message-headers.ts";
import { readMessage } from "./read-records.ts";
import type { StreamClient } from "./stream-client.ts";

/** What stands under a key of a fenced bucket, a marker of absence included. */
export interface FencedState {
  /** The sequence of its last message; 0 when there is none. */
  readonly sequence: number;
  /** Null where the key is absent. */
  readonly value: Uint8Array | null;
  /** The largest fence that was seen; 0 where none was. */
  readonly fence: number;
  /** Which write it was; undefined for one of somebody else's. */
  readonly writeId: string | undefined;
}

/** What a fenced write leaves under its key: a value, or a marker of absence. */
export interface FencedContent {
  readonly value: Uint8Array | null;
  readonly fence: number;
  readonly writeId: string;
}

const fenceHeader = "Leasehold-Fence";
const writeHeader = "Leasehold-Write";
const keyForm = /^[-/=\w]+(\.[-/=\w]+)*$/;
const keyBytesMax = 1_024;

/** @throws InvalidArgumentError for a key that NATS key-value buckets do not take. */
export function checkKeyOfBucket(key: string): void {
  if (typeof key === "string" && key.length <= keyBytesMax && keyForm.test(key)) return;
  throw new InvalidArgumentError(
    `a key of a NATS bucket has 1 to ${keyBytesMax} characters [A-Za-z0-9_/=.-], without a dot at its ends or two ` +
      `in a row; got ${describe(key)}`,
  );
}

/**
 * What stands under a key, as the stream's leader sees it.
 *
 * @throws CorruptRecordError when the header of the fence holds something else.
 */
export async function readFenced(client: StreamClient, key: string): Promise<FencedState> {
  const message = await readMessage(client, { last_by_subj: client.subjectPrefix + key });
  if (message === null) return { sequence: 0, value: null, fence: 0, writeId: undefined };
  const headers = Buffer.from(message.hdrs ?? "", "base64").toString("latin1");
  const isAbsent = isMarker((name) => headerOf(headers, name));
  return {
    sequence: message.seq,
    value: isAbsent ? null : Buffer.from(message.data ?? "", "base64"),
    fence: parseFence(key, headerOf(headers, fenceHeader)),
    writeId: headerOf(headers, writeHeader),
  };
}

function parseFence(key: string, text: string | undefined): number {
  if (text === undefined) return 0;
  const fence = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(fence)) return fence;
  throw new CorruptRecordError(
    `the entry under key ${key} has the header ${fenceHeader} with ${describe(text)}, which is no fence: something ` +
      "else wrote it. Nothing was changed",
  );
}

/** The headers of a fenced write that expects to follow `sequence`. */
export function fencedHeaders({ value, fence, writeId }: FencedContent, sequence: number): string {
  const marker = value === null ? "KV-Operation: DEL\r\n" : "";
  return `${expectLine(String(sequence))}${marker}${fenceHeader}: ${fence}\r\n${writeHeader}: ${writeId}\r\n`;
}
