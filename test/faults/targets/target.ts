import type { TestServer } from "../../servers/index.ts";

/** Where workers work. */
export const backendNames = ["sqlite", "nats", "nats-cluster", "dynamodb"] as const;

/** A store, and how it is run: `sqlite`, `nats` alone, a `nats-cluster` of three, `dynamodb` (Local). */
export type BackendName = (typeof backendNames)[number];

/** One store of a case's own. */
export interface Target extends AsyncDisposable {
  /** What it is, for people. */
  readonly description: string;
  readonly url: string;
  /** The same store, reached over another port of this machine. */
  urlAt(port: number): string;
  /** The server behind it; undefined where there is none, or more than one. */
  readonly server: TestServer | undefined;
}
