import { UnsupportedError } from "../../core/errors.ts";

/** A server's release: major, minor, patch. */
export type ServerVersion = readonly [number, number, number];

/**
 * The oldest server that leasehold works with. Before it, two concurrent writes that expected the same sequence
 * could both succeed in a cluster (nats-server issue 4320).
 */
const oldest: ServerVersion = [2, 9, 21];

/** Reads `2.15.1`, `v2.10.27-RC.1`. What is not a version counts as 0.0.0. */
export function parseServerVersion(text: string): ServerVersion {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)];
}

/** Whether `version` is `least` or newer. */
export function versionAtLeast(version: ServerVersion, least: ServerVersion): boolean {
  for (const [index, number] of version.entries()) {
    const other = least[index] ?? 0;
    if (number !== other) return number > other;
  }
  return true;
}

/** @throws UnsupportedError when the server is older than 2.9.21. */
export function requireSupportedServer(text: string): void {
  if (versionAtLeast(parseServerVersion(text), oldest)) return;
  throw new UnsupportedError(
    `this NATS server is version ${text}; leasehold needs ${oldest.join(".")} or newer, because before it two ` +
      "concurrent conditional writes could both succeed. Upgrade the server (2.10.19 or newer is advised)",
  );
}
