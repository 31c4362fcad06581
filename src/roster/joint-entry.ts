import type { Backend, Operation, StoredRecord, Version } from "../core/backend.ts";
import { OutcomeUnknownError } from "../core/errors.ts";
import type { Session } from "../sessions/session.ts";
import type { Acquisition } from "./acquisition.ts";
import type { Contender, ContentionContext } from "./contention.ts";
import { Entry } from "./entry.ts";
import type { HeldGrant } from "./grant.ts";
import { admit, hasRoom, join, type Roster, standing } from "./roster.ts";
import { putRoster, type RosterView } from "./roster-view.ts";

/** One roster's part in an attempt to enter several of them in one write. */
export class JointEntry implements Contender {
  readonly acquisition: Acquisition;
  readonly isInLine = false;
  readonly #context: ContentionContext;
  readonly #end: () => void;
  #entry: Entry | undefined;
  #before: RosterView | undefined;
  #after: Roster | undefined;
  #isDelivered = false;

  constructor(context: ContentionContext, acquisition: Acquisition, end: (entry: JointEntry) => void) {
    this.#context = context;
    this.acquisition = acquisition;
    this.#end = () => end(this);
    acquisition.answer.catch(toldByOthers);
  }

  poke(): void {}

  onChange(): void {}

  get key(): string {
    return this.#context.key;
  }

  /** Whether it can be written without being read. */
  get isKnown(): boolean {
    return this.#context.driver.known !== undefined;
  }

  /** Takes in what a read showed. */
  see(record: StoredRecord | null): void {
    this.#context.driver.see(record);
  }

  session(): Promise<Session> {
    return this.#context.sessions.get(this.acquisition.request.ttlMs);
  }

  /** The write that lets it in, or `undefined` where others stand before it. */
  operation(session: Session): Operation | undefined {
    const { driver, key, limit, name, runtime } = this.#context;
    const { known } = driver;
    const { request } = this.acquisition;
    if (known === undefined) return undefined;
    const opened = limit.opened(driver.lifted(known.roster), request.capacity, request.weight);
    if (!hasRoom(opened, request.weight)) return undefined;
    this.#entry ??= new Entry(driver, session, limit, request);
    this.#before = known;
    this.#after = admit(join(opened, this.#entry.entrant), runtime.wallMs());
    return putRoster(key, name, this.#after, known.version);
  }

  /** The write went through. Answers the grant, or nothing where the lease ended on the way. */
  async committed(session: Session, version: Version | null): Promise<HeldGrant | undefined> {
    const { driver, deliver } = this.#context;
    this.#entry?.suspect();
    if (this.#entry === undefined || this.#before === undefined || this.#after === undefined)
      return undefined;
    driver.adopt({ version, roster: this.#after }, this.#before.roster);
    const place = standing(this.#after, this.#entry.entrant);
    this.#isDelivered = place.place === "holder" && deliver(this.acquisition, session, place.holder);
    return this.#isDelivered ? this.acquisition.answer : undefined;
  }

  /** Nobody can say whether the write was applied. */
  suspect(): void {
    this.#entry?.suspect();
  }

  /** It is over: what was not delivered is taken out again. */
  end(): void {
    if (!this.#isDelivered) this.#entry?.leaveBehind();
    this.acquisition.dismiss();
    this.#end();
  }
}

/** Attempts before giving up on doing it in one write. */
const attemptsMax = 3;

/**
 * Enters several rosters in one write, all or none. Answers `null` where that cannot be done: others stand before it
 * in one of them, or they are written too often.
 */
export async function enterTogether(
  backend: Backend,
  entries: readonly JointEntry[],
): Promise<readonly HeldGrant[] | null> {
  try {
    let toRead = entries.filter(({ isKnown }) => !isKnown);
    let entered: Session | undefined;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (toRead.length > 0) {
        const records = await backend.get(toRead.map(({ key }) => key));
        for (const [index, entry] of toRead.entries()) entry.see(records[index] ?? null);
      }
      const [first] = entries;
      const session = await first?.session();
      // Whoever entered with a session that was lost meanwhile is nobody's: the caller begins again.
      entered ??= session;
      if (session === undefined || session !== entered) return null;
      const operations = entries.map((entry) => entry.operation(session));
      if (!operations.every((operation) => operation !== undefined)) {
        // A view that is known from earlier may be old.
        if (attempt > 0 || toRead.length === entries.length) return null;
        toRead = [...entries];
        continue;
      }
      const result = await backend.commit(operations);
      if (result.committed) {
        const grants = await Promise.all(
          entries.map((entry, index) => entry.committed(session, result.versions[index] ?? null)),
        );
        return grants.every((grant) => grant !== undefined) ? grants : await giveBack(grants);
      }
      toRead = [...entries];
    }
    return null;
  } catch (error) {
    if (error instanceof OutcomeUnknownError) for (const entry of entries) entry.suspect();
    throw error;
  } finally {
    for (const entry of entries) entry.end();
  }
}

async function giveBack(grants: readonly (HeldGrant | undefined)[]): Promise<null> {
  await Promise.all(grants.map((grant) => grant?.[Symbol.asyncDispose]()));
  return null;
}

/** A coordinator that closes answers each of them; the caller hears it from the next call. */
function toldByOthers(): void {}
