import type { Duration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import {
  type AcquireOptions,
  type Acquirer,
  checkAcquireOptions,
  createAcquirer,
  type TryAcquireOptions,
} from "../roster/acquirer.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import type { InterventionOptions } from "../roster/intervention.ts";
import { reweigh } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";
import type { LockOptions } from "./lock.ts";

/** How a grant of a read-write lock is held. */
export type ReadWriteMode = "read" | "upgradeable" | "write";

/** Options of {@link UpgradeableGrant.upgrade}. */
export interface UpgradeOptions {
  /** How long to wait at most for the readers to leave. Default: `Infinity`. */
  readonly wait?: Duration;
  /** Gives up with an `AbortedError` when it fires. The grant stays as it was. */
  readonly signal?: AbortSignal;
}

/** A grant that writes, and can go on as a reader. */
export interface WriteGrant extends Grant {
  /** How it is held now. */
  readonly mode: ReadWriteMode;
  /**
   * Goes on as a reader, in one write that also lets other readers in: nobody writes in between. The fence stays.
   * Again: nothing happens.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when it is not held any more.
   * @throws UnavailableError, OutcomeUnknownError when the store fails. Safe to repeat.
   */
  downgrade(): Promise<void>;
}

/** A grant that reads beside other readers, and may become the writer. There is one at a time. */
export interface UpgradeableGrant extends Grant {
  /** How it is held now. */
  readonly mode: ReadWriteMode;
  /**
   * Becomes the writer when the other readers have left, before everybody who waits; nobody writes in between, so what
   * was read is still true. From now on `fence` is a larger one.
   *
   * @throws AcquireTimeoutError, AbortedError: the grant goes on as it was; with the larger fence, soon after, where the
   *   upgrade came true on the way.
   * @throws LeaseLostError (`LEASE_LOST`) when it is not held any more.
   * @throws InvalidArgumentError when it is a plain reader by now, or is being upgraded.
   */
  upgrade(options?: UpgradeOptions): Promise<void>;
  /** One step down: from writing to reading upgradeably, from there to plain reading. Else as {@link WriteGrant}. */
  downgrade(): Promise<void>;
}

/** One way to hold a read-write lock, used like a `Lock`. */
export interface ReadWriteSide<G extends Grant> {
  /** Waits, in order of arrival among readers and writers. Else as `Lock.acquire`. */
  acquire(options?: AcquireOptions): Promise<G>;
  /** As `Lock.tryAcquire`: `null` where it would have to wait. */
  tryAcquire(options?: TryAcquireOptions): Promise<G | null>;
  /** As `Lock.hold`. */
  hold<R>(work: (grant: G) => Promise<R> | R, options?: AcquireOptions): Promise<R>;
}

/**
 * Many readers or one writer, across processes and machines. First come, first served: readers that come after a
 * waiting writer wait behind it, so nobody starves. Not reentrant: a reader that asks for `write` waits for itself; use
 * `upgradeable`.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const catalogue = coordinator.readWriteLock("catalogue");
 * await catalogue.read.hold(async () => {}); // beside other readers
 * await catalogue.upgradeable.hold(async (grant) => {
 *   await grant.upgrade(); // the only one now; nobody wrote since
 *   console.log(grant.mode); // write
 * });
 * ```
 */
export interface ReadWriteLock {
  readonly name: string;
  /** Held by any number at a time, up to about a million. */
  readonly read: ReadWriteSide<Grant>;
  /** Held by one at a time, beside readers, who may become the writer. */
  readonly upgradeable: ReadWriteSide<UpgradeableGrant>;
  /** Held by one alone. */
  readonly write: ReadWriteSide<WriteGrant>;
  /** Who holds it and who waits, or `null` if nobody ever asked. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
  /** Takes it from all who hold it, readers and writer, or from the one with `fence`. Else as `Lock.forceRelease`. */
  forceRelease(options: InterventionOptions): Promise<boolean>;
  /** Asks all who hold it, or the one with `fence`, to give it back. Else as `Lock.requestRevoke`. */
  requestRevoke(options: InterventionOptions): Promise<boolean>;
}

const readersMax = 2 ** 20;
/** Two who may upgrade do not fit beside one another; one of them and all the readers do. */
const weights = { read: 1, upgradeable: readersMax + 1, write: 2 * readersMax + 1 } as const;
const capacity = weights.write;
const stepsDown = { write: "upgradeable", upgradeable: "read", read: "read" } as const;

/** The mode that a holder of this weight has. */
export function modeOf(weight: number): ReadWriteMode {
  if (weight === weights.write) return "write";
  return weight === weights.upgradeable ? "upgradeable" : "read";
}

/**
 * Makes a {@link ReadWriteLock}. It holds no state: two of the same name are the same lock.
 *
 * @throws InvalidArgumentError for an illegal name or TTL.
 */
export function createReadWriteLock(
  host: RosterHost,
  name: string,
  options: LockOptions = {},
): ReadWriteLock {
  checkName("a lock's name", name);
  checkOptions("readWriteLock", options, ["ttl"]);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const target = { kind: "read-write", name, isShared: true, ttlMs } as const;
  const acquirer = (mode: ReadWriteMode): Acquirer<AcquireOptions> =>
    createAcquirer(host, { ...target, share: () => ({ weight: weights[mode], capacity }) });
  const [read, upgradeable, write] = [acquirer("read"), acquirer("upgradeable"), acquirer("write")];
  return {
    name,
    read,
    upgradeable: side(upgradeable, asUpgradeable),
    write: side(write, asWriter),
    inspect: () => read.inspect(),
    forceRelease: (how) => read.forceRelease(how),
    requestRevoke: (how) => read.requestRevoke(how),
  };
}

function side<G extends Grant>(
  acquirer: Acquirer<AcquireOptions>,
  dress: (grant: HeldGrant) => G,
): ReadWriteSide<G> {
  return {
    acquire: async (options) => dress(await acquirer.acquire(options)),
    async tryAcquire(options) {
      const grant = await acquirer.tryAcquire(options);
      return grant === null ? null : dress(grant);
    },
    hold: (work, options) =>
      acquirer.hold(typeof work === "function" ? (grant) => work(dress(grant)) : work, options),
  };
}

function asWriter(grant: HeldGrant): WriteGrant {
  const changes = new ModeChanges(grant);
  return withMode(grant, changes, { downgrade: () => changes.oneAtATime(() => changes.downgrade("read")) });
}

function asUpgradeable(grant: HeldGrant): UpgradeableGrant {
  const changes = new ModeChanges(grant);
  return withMode(grant, changes, {
    upgrade: (options?: UpgradeOptions) => changes.oneAtATime(() => changes.upgrade(options)),
    downgrade: () => changes.oneAtATime(() => changes.downgrade(stepsDown[changes.mode])),
  });
}

function withMode<M extends object>(
  grant: HeldGrant,
  changes: ModeChanges,
  methods: M,
): HeldGrant & M & { readonly mode: ReadWriteMode } {
  const dressed = Object.assign(grant, methods);
  Object.defineProperty(dressed, "mode", { get: () => changes.mode, enumerable: true });
  return dressed as HeldGrant & M & { readonly mode: ReadWriteMode };
}

/** How one grant is held, as far as its holder may count on it, while it changes. */
class ModeChanges {
  readonly #grant: HeldGrant;
  /** Never more than the store has: less is true from the moment it is asked for, more once it is confirmed. */
  #mode: ReadWriteMode;
  /** A step down that was asked for and not confirmed. */
  #unsettled: ReadWriteMode | undefined;
  #upgrades = 0;
  #isChanging = false;

  constructor(grant: HeldGrant) {
    this.#grant = grant;
    this.#mode = modeOf(grant.holder.weight);
  }

  get mode(): ReadWriteMode {
    return this.#mode;
  }

  async oneAtATime(change: () => Promise<void>): Promise<void> {
    if (this.#isChanging) {
      throw new InvalidArgumentError("the mode of this grant is being changed: wait for that first");
    }
    this.#isChanging = true;
    try {
      await change();
    } finally {
      this.#isChanging = false;
    }
  }

  /** A step down whose outcome is unknown is taken again, before any other. */
  async downgrade(mode: ReadWriteMode): Promise<void> {
    this.#grant.assertHeld();
    const target = this.#unsettled ?? mode;
    if (this.#unsettled === undefined && weights[this.#mode] <= weights[target]) return;
    this.#mode = target;
    this.#unsettled = target;
    await this.#grant.change((roster, holder) => reweigh(roster, holder, weights[target]));
    this.#unsettled = undefined;
    this.#grant.assertHeld();
  }

  async upgrade(options: UpgradeOptions = {}): Promise<void> {
    const asked = checkAcquireOptions("upgrade", options, ["wait", "signal"]);
    const grant = this.#grant;
    grant.assertHeld();
    if (this.#mode === "write") return;
    if (this.#mode === "read") {
      throw new InvalidArgumentError(
        "a plain reader cannot be upgraded: two that tried would wait for one another. Release it, or read with " +
          "`upgradeable` in the first place",
      );
    }
    this.#upgrades += 1;
    const upgrade = this.#upgrades;
    // Down to what it counts on by then: a step down that fails leaves nothing that others wait behind either.
    const retreat = { weight: () => weights[this.#mode], isLatest: () => this.#upgrades === upgrade };
    const request = { name: grant.name, ttlMs: grant.session.ttlMs, weight: weights.write, capacity };
    await grant.grow({ ...request, ...asked }, retreat);
    this.#mode = "write";
    this.#unsettled = undefined;
  }
}
