import type { Duration } from "../core/durations.ts";
import { AbortedError, ClosedError, InvalidArgumentError, LimitExceededError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { type AcquireOptions, createAcquirer, tryOptionNames } from "../roster/acquirer.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { EntrantId, Holder, Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import type { Expected, Source } from "../roster/roster-wait.ts";
import { parseTtl } from "../sessions/ttl.ts";
import { type Member, memberOf, membersIn, NewestMembers } from "./member.ts";
import { createPartitions, type Partitions } from "./partitions.ts";

/** Options of `coordinator.group`. */
export interface GroupOptions {
  /** How long a member that died stays in, about, from 100 ms to 1 day. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** Options of {@link Group.join}. */
export interface JoinGroupOptions extends AcquireOptions {
  /** Shown to the others, and kept over restarts by whoever chooses it so. 1 to 256 bytes. Need not be unique. */
  readonly identity?: string;
}

/** Options of {@link Group.observe}. */
export interface ObserveGroupOptions {
  /** Ends the iteration when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * Who is there: processes that join, are seen by the others, and are gone when they leave or die. Members look after
 * one another, each after the one before it: any number of them may die side by side.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const workers = coordinator.group("workers");
 * await using membership = await workers.join({ identity: "worker-1", metadata: { cpus: 4 } });
 * const [first] = await workers.members();
 * console.log(first?.identity, first?.fence === membership.fence); // worker-1 true
 * ```
 */
export interface Group {
  readonly name: string;
  /**
   * Comes in: one write, one read more the first time. The answer is a grant: `release` leaves, and `signal` fires when
   * the membership is lost. As long as it lasts it costs some two reads in a TTL, and keeps the process alive.
   *
   * @throws LimitExceededError (`LIMIT_EXCEEDED`) when the store takes no larger record: some thousands of members.
   * @throws AcquireTimeoutError, AbortedError and the rest as `Lock.acquire` does.
   */
  join(options?: JoinGroupOptions): Promise<Grant>;
  /**
   * Who is in, those who joined first at first. One read, two the first time; may be stale. Called now and then it also
   * takes out those who died, where no other member lives to do so.
   */
  members(): Promise<readonly Member[]>;
  /**
   * The list now, and again whenever it has changed; changes that come while you work on one are told as one. Ends when
   * `signal` fires or the coordinator is closed. Whoever observes looks after all members.
   *
   * @throws LeaseholdError when the store refuses for good. Outages are waited through.
   */
  observe(options?: ObserveGroupOptions): AsyncIterable<readonly Member[]>;
  /**
   * Shares the numbers from 0 to `count` - 1 among the members: evenly, with as few moves as possible, each under a lock
   * and a fence of its own.
   *
   * @throws InvalidArgumentError unless `count` is a whole number from 1 to 10,000.
   */
  partitions(count: number): Partitions;
}

const membersMax = 1_000_000;
const identityBytesMax = 256;

/**
 * Makes a {@link Group}. It holds no state: two of the same name are the same group.
 *
 * @throws InvalidArgumentError for an illegal name or TTL.
 */
export function createGroup(host: RosterHost, name: string, options: GroupOptions = {}): Group {
  checkName("a group's name", name);
  checkOptions("group", options, ["ttl"]);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const target = { kind: "group", name, isShared: true } as const;
  const acquirer = createAcquirer<JoinGroupOptions>(host, {
    ...{ ...target, ttlMs, options: ["identity"] },
    share: (asked) => ({ weight: 1, capacity: membersMax, ...checkIdentity(asked?.identity) }),
  });
  const until = <T>(expected: Pick<Expected<T>, "find" | "watched" | "signal">): Promise<T> =>
    host.queue(target).board.until({
      failing: `the group ${JSON.stringify(name)} is watched no more`,
      ...{ ttlMs, waitMs: Number.POSITIVE_INFINITY, ...expected },
    });

  /** Looks after the member before it, and once that one stands still, after all before that. */
  const keepVigil = (membership: HeldGrant): void => {
    const stop = new AbortController();
    for (const end of ["lost", "released"] as const) membership.on(end, () => stop.abort());
    if (membership.state !== "held" && membership.state !== "uncertain") return;
    const watched = (roster: Roster) => {
      const all = before(roster, membership.holder);
      return { near: all.slice(0, 1), further: all.slice(1) };
    };
    until<never>({ find: () => undefined, watched, signal: stop.signal }).catch(isOver);
  };

  const group: Group = {
    name,
    async join(asked) {
      try {
        // Before the acquirer, which would speak of an acquire that nobody called.
        checkOptions("join", asked, [...tryOptionNames, "wait", "identity"]);
        const membership = await acquirer.acquire(asked);
        keepVigil(membership);
        return membership;
      } catch (error) {
        if (!(error instanceof LimitExceededError)) throw error;
        const { valueBytesMax } = host.backend.capabilities;
        throw new LimitExceededError(
          `the group ${JSON.stringify(name)} takes no more members: they stand in one record, and this store takes ` +
            `${valueBytesMax} bytes. Shorter identities and less metadata make room`,
          { cause: error },
        );
      }
    },
    async members() {
      return membersIn(await host.queue(target).board.look()).map(memberOf);
    },
    async *observe(asked = {}) {
      checkOptions("observe", asked, ["signal"]);
      const { signal } = asked;
      checkSignal(signal);
      const newest = new NewestMembers();
      let told: string | undefined;
      const find = (roster: Roster, source: Source): readonly Member[] | undefined => {
        newest.note(roster, source);
        const members = newest.holders?.map(memberOf);
        const text = JSON.stringify(members);
        if (members === undefined || text === told) return undefined;
        told = text;
        return members;
      };
      // Those outside look at everybody: they may be the only ones who live.
      const watched = ({ holders }: Roster) => ({ near: holders, further: [] });
      try {
        while (signal?.aborted !== true) yield await until({ find, watched, signal });
      } catch (error) {
        if (!(error instanceof ClosedError || (error instanceof AbortedError && signal?.aborted)))
          throw error;
      }
    },
    partitions: (count) => createPartitions(host, { group, name, ttlMs }, count),
  };
  return group;
}

/** The members before one, the nearest first; before the first one comes the last. */
function before(roster: Roster, self: EntrantId): readonly Holder[] {
  const all = membersIn(roster);
  const position = all.findIndex(({ session, ticket }) => session === self.session && ticket === self.ticket);
  return [...all.slice(position + 1), ...all.slice(0, Math.max(0, position))].reverse();
}

function checkIdentity(identity: string | undefined): { readonly identity?: string } {
  if (identity === undefined) return {};
  checkName("identity", identity);
  const bytes = Buffer.byteLength(identity);
  if (bytes <= identityBytesMax) return { identity };
  throw new InvalidArgumentError(`identity must be at most ${identityBytesMax} bytes; got ${bytes}`);
}

/** Left, lost, or closed: there is nobody to look after any more. */
function isOver(): void {}
