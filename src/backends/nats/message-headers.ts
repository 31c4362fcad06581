/**
 * Headers in wire form. Both client generations only call `encode()` on the headers they are given, so that these
 * bytes travel with either.
 */
export class EncodedHeaders {
  readonly #bytes: Uint8Array;

  constructor(lines: string) {
    this.#bytes = Buffer.from(`NATS/1.0\r\n${lines}\r\n`, "latin1");
  }

  encode(): Uint8Array {
    return this.#bytes;
  }
}

/** The header that says how long a record lives, where the server itself has no per-message TTL. */
export const ownTtlHeader = "Leasehold-TTL-Ms";

/** The header line that makes a write conditional on the subject's last sequence; 0 stands for no message. */
export function expectLine(sequence: string): string {
  return `Nats-Expected-Last-Subject-Sequence: ${sequence}\r\n`;
}

/** The header line that lets a message expire. Servers count whole seconds, from 1. */
export function ttlLine(ttlMs: number, nativeTtl: boolean): string {
  if (nativeTtl) return `Nats-TTL: ${Math.max(1, Math.ceil(ttlMs / 1_000))}\r\n`;
  return `${ownTtlHeader}: ${Math.max(1, Math.ceil(ttlMs))}\r\n`;
}

/** One header of the text form `NATS/1.0\r\nName: value\r\n...`, or undefined. */
export function headerOf(text: string, name: string): string | undefined {
  const start = text.indexOf(`\r\n${name}:`);
  if (start < 0) return undefined;
  const end = text.indexOf("\r\n", start + 2);
  return text.slice(start + name.length + 3, end < 0 ? undefined : end).trim();
}

/** Whether a message marks an absent key: a delete or purge of any client, or the server's own expiry marker. */
export function isMarker(header: (name: string) => string | undefined): boolean {
  const operation = header("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || Boolean(header("Nats-Marker-Reason"));
}
