import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName, recordKey } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { type Inspection, inspectRoster } from "../roster/inspection.ts";
import type { InterventionOptions } from "../roster/intervention.ts";
import type { RosterKind } from "../roster/roster-host.ts";
import type { RosterQueues } from "../roster/roster-queues.ts";
import { forceRelease, type InterventionContext, requestRevoke } from "./intervene.ts";
import { listRosters } from "./list-rosters.ts";

/** Options of `coordinator.inspect`. */
export interface InspectOptions {
  /** What it is. Default: `lock`. */
  readonly kind?: RosterKind;
}

/** Options of `coordinator.list`. */
export interface ListOptions {
  /** Only those of this kind. Default: all that can be held. */
  readonly kind?: RosterKind;
  /** Ends it with an `AbortedError` before the next page is read. */
  readonly signal?: AbortSignal;
}

/** Options of `coordinator.forceRelease` and `coordinator.requestRevoke`. */
export interface AdministrationOptions extends InterventionOptions {
  /** What it is. Default: `lock`. */
  readonly kind?: RosterKind;
}

/** What somebody who looks after a fleet does: see who holds what, ask for it, take it away. */
export interface Administration {
  /**
   * Who holds a name and who waits for it; `null` if nobody ever asked for it. One or two reads; may be stale.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or kind.
   * @throws CorruptRecordError (`CORRUPT_RECORD`) when something else stands under its key.
   */
  inspect(name: string, options?: InspectOptions): Promise<Inspection | null>;
  /**
   * All that is or was held whose name begins with `prefix`, kind by kind, in the order of the store's keys; those that
   * nobody holds now have no holders. Reads a page of 100 when it is needed, and the sessions in it. What changes
   * meanwhile may be missed.
   *
   * @throws CorruptRecordError (`CORRUPT_RECORD`) after everything else was listed, if records could not be read.
   * @throws AbortedError (`ABORTED`) when `signal` fires; ClosedError when the coordinator is closed.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * await using grant = await coordinator.lock("invoice-42").acquire();
   * for await (const { kind, name, holders } of coordinator.list("invoice-")) {
   *   console.log(kind, name, holders.length); // lock invoice-42 1
   * }
   * ```
   */
  list(prefix?: string, options?: ListOptions): AsyncIterable<Inspection>;
  /**
   * Takes a name from those who hold it. As `lock.forceRelease`, for everything that can be held.
   *
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * await using grant = await coordinator.lock("deploy").acquire();
   * await coordinator.forceRelease("deploy", { reason: "stuck since noon" });
   * console.log(grant.state, grant.signal.reason.cause.reason); // lost stuck since noon
   * ```
   */
  forceRelease(name: string, options: AdministrationOptions): Promise<boolean>;
  /**
   * Asks those who hold a name to give it back. As `lock.requestRevoke`, for everything that can be held.
   *
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * await using grant = await coordinator.lock("reindex").acquire();
   * grant.revokeRequested.addEventListener("abort", () => grant.release());
   * console.log(await coordinator.requestRevoke("reindex", { reason: "deploying" })); // true
   * ```
   */
  requestRevoke(name: string, options: AdministrationOptions): Promise<boolean>;
}

/** What an {@link Administration} works with. */
export interface AdministrationContext extends InterventionContext {
  /** @throws ClosedError once the coordinator is closed. */
  queues(): RosterQueues;
}

/** Whether what stands in an empty record may matter for longer than a week: then only its own writes let it go. */
const isKept: Readonly<Record<RosterKind, boolean>> = {
  lock: false,
  semaphore: false,
  "read-write": false,
  "web-lock": false,
  election: false,
  group: true,
  partition: false,
  schedule: true,
  barrier: true,
  latch: true,
  sequence: true,
  "worker-id": true,
  once: true,
};
const kinds = Object.keys(isKept) as readonly RosterKind[];

/** Makes an {@link Administration}. It holds no state. */
export function createAdministration(context: AdministrationContext): Administration {
  const { namespace } = context;
  const visit = (name: string, kind: RosterKind) => {
    const target = { key: recordKey(namespace, kind, name), kind, name, isShared: true };
    const kept = isKept[kind] ? { idleTtlMs: Number.POSITIVE_INFINITY } : {};
    return context.queues().visit({ ...target, ...kept });
  };
  const check = (what: string, name: string, options: object | undefined, known: readonly string[]) => {
    checkName("the name", name);
    checkOptions(what, options, known);
    return checkKind((options as InspectOptions | undefined)?.kind ?? "lock");
  };
  const known = ["reason", "fence", "kind"];
  return {
    async inspect(name, options) {
      const kind = check("inspect", name, options, ["kind"]);
      context.queues();
      return inspectRoster(context, kind, recordKey(namespace, kind, name));
    },
    list(prefix = "", options = {}) {
      checkOptions("list", options, ["kind", "signal"]);
      if (prefix !== "") checkName("the prefix", prefix);
      const { kind, signal } = options;
      checkSignal(signal);
      const chosen = kind === undefined ? kinds : [checkKind(kind)];
      const selection = { prefix, kinds: chosen, signal, check: () => void context.queues() };
      return listRosters(context, selection);
    },
    async forceRelease(name, options) {
      const kind = check("forceRelease", name, options, known);
      return forceRelease(context, visit(name, kind), options);
    },
    async requestRevoke(name, options) {
      const kind = check("requestRevoke", name, options, known);
      return requestRevoke(context, visit(name, kind), options);
    },
  };
}

function checkKind(kind: RosterKind): RosterKind {
  if (kinds.includes(kind)) return kind;
  throw new InvalidArgumentError(`kind must be one of ${kinds.join(", ")}; got ${describe(kind)}`);
}
