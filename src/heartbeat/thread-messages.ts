import type { MessagePort } from "node:worker_threads";
import type { Version } from "../core/backend.ts";
import type { ClientDescription } from "../sessions/session-record.ts";
import type { SessionRequest } from "../sessions/session-request.ts";
import type { TicketClaim } from "../sessions/ticket-book.ts";
import type { ErrorCopy } from "./error-copy.ts";

/** What a heartbeat thread gets when it starts. */
export interface ThreadOrder {
  readonly url: string;
  /** The thread's end of the channel. */
  readonly port: MessagePort;
  /** In which the main thread shows that its event loop runs. */
  readonly life: SharedArrayBuffer;
}

/** A session that a thread shall open and renew. */
export interface SessionOrder {
  readonly namespace: string;
  readonly client: ClientDescription;
  readonly ttlMs: number;
  /** After how long without a sign of life from the main thread it is renewed no more. */
  readonly watchdogMs: number;
  readonly claim: TicketClaim;
  /** In which the thread shows the last applied heartbeat. */
  readonly lease: SharedArrayBuffer;
}

/** From the main thread to the one that sends heartbeats. */
export type ToThread =
  | { readonly kind: "open"; readonly session: string; readonly order: SessionOrder }
  | { readonly kind: "start" | "hurry" | "stop"; readonly session: string }
  | { readonly kind: "claim"; readonly session: string; readonly claim: TicketClaim }
  | { readonly kind: "close" };

/** From the thread that sends heartbeats, about one session. */
export type FromThread = { readonly session: string } & (
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly error: ErrorCopy }
  | { readonly kind: "renewed"; readonly version: Version | null }
  | { readonly kind: "stopped"; readonly version: Version | null }
  | { readonly kind: "attempt"; readonly failure: ErrorCopy | undefined }
  | { readonly kind: "ended"; readonly why: string; readonly cause: ErrorCopy | undefined }
  | { readonly kind: "request"; readonly request: SessionRequest }
  | {
      readonly kind: "heartbeat";
      readonly ttlMs: number;
      readonly lateMs: number;
      readonly roundTripMs: number;
      readonly error: ErrorCopy | undefined;
    }
);

/** From the thread, once, before everything else. */
export type ThreadStart = { readonly kind: "ready" } | { readonly kind: "unable"; readonly error: ErrorCopy };
