import type { CommitResult, Operation, StoredRecord, StoreTime } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { decodeSession } from "../../src/sessions/session-record.ts";
import type {
  AddResult,
  BackendRequest,
  Interceptor,
  ObservedBackend,
} from "../../src/testing/observed-backend.ts";

/** The writes of a client, told apart by what they do. */
export type WriteKind = "session open" | "heartbeat" | "tombstone" | "session close" | "roster";

/** Which requests a fault strikes. */
export type Strikes = (request: BackendRequest) => boolean;

/** What a request does. */
export function kindOf(request: BackendRequest): WriteKind | "read" {
  if (request.kind !== "commit") return "read";
  const [operation] = request.operations as readonly [Operation];
  if (!operation.key.includes(".session.")) return "roster";
  if (operation.kind !== "put") return "session close";
  if (decodeSession(operation.key, operation.value).state === "dead") return "tombstone";
  return operation.expect === null ? "session open" : "heartbeat";
}

/** Strikes writes of these kinds. */
export function writes(...kinds: readonly WriteKind[]): Strikes {
  return (request) => kinds.some((kind) => kind === kindOf(request));
}

/** Strikes everything. */
export const everything: Strikes = () => true;

/** A fault that has been planted. */
export interface Fault {
  /** How many requests it struck. */
  readonly struck: number;
  /** Ends it: the requests that it holds back go through now, in order, and no more are struck. */
  end(): Promise<void>;
}

type Answer = readonly (StoredRecord | null)[] | CommitResult | AddResult | StoreTime;
type Reaction = <R extends Answer>(send: () => Promise<R>, held: (() => Promise<unknown>)[]) => Promise<R>;

const reactions = {
  /** The request never reaches the store. */
  "lost before": async () => {
    throw new UnavailableError("a test lost the request");
  },
  /** The request never reaches the store, which shows when the fault ends. */
  "lost slowly": (_send, held) =>
    new Promise((_resolve, reject) => {
      held.push(async () => reject(new UnavailableError("a test lost the request")));
    }),
  /** The request is applied, and its answer is lost. */
  "lost after": async (send) => {
    await send();
    throw new OutcomeUnknownError("a test lost the answer");
  },
  /** The client gives up without an answer; the request is applied when the fault ends. */
  "applied late": async (_send, held) => {
    held.push(_send);
    throw new OutcomeUnknownError("a test keeps the request on its way");
  },
  /** No answer ever comes, and nothing is applied. */
  "hangs before": () => new Promise(() => undefined),
  /** It is applied, and no answer ever comes. */
  "hangs after": async (send) => {
    await send();
    return new Promise(() => undefined);
  },
  /** Request and answer come when the fault ends. */
  "held back": (send, held) =>
    new Promise((resolve, reject) => {
      held.push(() => send().then(resolve, reject));
    }),
  /** It is applied, and its answer comes when the fault ends. */
  "answered late": async (send, held) => {
    const answer = await send();
    return new Promise((resolve) => {
      held.push(async () => resolve(answer));
    });
  },
} satisfies Record<string, Reaction>;

/** What happens to a request that is struck. */
export type FaultKind = keyof typeof reactions;

/** Plants a fault into a client's way to the store, for its next `times` requests of a kind. */
export function plant(
  backend: ObservedBackend,
  kind: FaultKind,
  strikes: Strikes,
  times = Number.POSITIVE_INFINITY,
): Fault {
  const held: (() => Promise<unknown>)[] = [];
  const reaction: Reaction = reactions[kind];
  let struck = 0;
  const interceptor: Interceptor = (request, send) => {
    if (struck >= times || !strikes(request)) return send();
    struck += 1;
    return reaction(send, held);
  };
  backend.intercept(interceptor);
  return {
    get struck() {
      return struck;
    },
    async end() {
      backend.intercept(undefined);
      for (const go of held.splice(0)) await go();
    },
  };
}
