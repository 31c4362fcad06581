import { StoreMisconfiguredError } from "../../core/errors.ts";
import type { StreamInfo } from "./bucket-config.ts";
import { parseServerVersion, type ServerVersion, versionAtLeast } from "./server-version.ts";
import type { StreamClient } from "./stream-client.ts";

/** Servers from here on are mended for certain. */
const mended: ServerVersion = [2, 12, 0];
/** Takes the messages that only fill a place. No key can be named like this. */
const placeSubject = "leasehold/first";
/** The second message replaces the first one: a subject keeps one message. */
const messages = 2;

/**
 * Sees to it that no record has the sequence that the bucket was told to begin with. Servers of 2.10, and the first of
 * 2.11, empty such a bucket when they restart, in order or not (nats-server 6753).
 *
 * Every client does so before its own first write, so that it does not matter who made the bucket, or whether its
 * maker lived to do it.
 *
 * @throws StoreMisconfiguredError when a record of another tool stands there.
 */
export async function vacateFirstSequence(
  client: StreamClient,
  info: StreamInfo,
  serverVersion: string,
): Promise<void> {
  const first = info.config.first_seq ?? 0;
  const isAtRisk = (state: StreamInfo["state"]): boolean => state.first_seq <= first;
  if (first === 0 || info.config.storage !== "file" || !isAtRisk(info.state)) return;
  if (versionAtLeast(parseServerVersion(serverVersion), mended)) return;
  for (let message = 0; message < messages; message += 1) {
    await client.publish(client.subjectPrefix + placeSubject, undefined, "KV-Operation: DEL\r\n");
  }
  const now = await client.ask<StreamInfo>("STREAM.INFO", undefined);
  if (now.error !== undefined) throw client.unexpected("STREAM.INFO", now.error);
  if (!isAtRisk(now.state)) return;
  throw new StoreMisconfiguredError(
    `the bucket ${client.bucket} has a message at sequence ${first}, which is also its first_seq: this server, version ` +
      `${serverVersion}, empties such a bucket when it restarts (nats-server issue 6753). To mend it: upgrade to ` +
      "2.12.0 or newer, or write that key again, or set first_seq to 0",
  );
}
