import type { HeldGrant } from "../roster/grant.ts";
import type { NoticeBoard } from "../roster/notice-board.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import { amendRun, type SlotNote, type SlotState } from "./slot-note.ts";

/** What a run works with. */
export interface SlotRunContext {
  readonly host: RosterHost;
  readonly target: RosterName;
  readonly board: NoticeBoard;
  readonly ttlMs: number;
}

/** A slot that was begun, until what became of it stands in the store. */
export class SlotRun {
  readonly grant: HeldGrant;
  readonly note: SlotNote;
  readonly #context: SlotRunContext;
  readonly #begunAtMs: number;

  constructor(context: SlotRunContext, grant: HeldGrant, note: SlotNote) {
    this.#context = context;
    this.grant = grant;
    this.note = note;
    this.#begunAtMs = context.host.runtime.monotonicMs();
    // Given up, and the session lives on: whoever takes it over may know.
    const onLost = (): void => {
      if (grant.state === "lost" && grant.session.lost === undefined) void this.#amend({ state: "failed" });
    };
    grant.signal.addEventListener("abort", onLost, { once: true });
  }

  /** Writes down what became of it, and gives the grant back, in one write. Never rejects. */
  async end(state: SlotState): Promise<void> {
    const { runtime } = this.#context.host;
    const restMs = this.note.closedForMs - (runtime.monotonicMs() - this.#begunAtMs);
    const isOpen = restMs <= 0;
    // In one turn, so that both ride in one write.
    await Promise.all([
      this.#amend({ state, ...(isOpen && { closedForMs: 0 }) }),
      this.grant[Symbol.asyncDispose](),
    ]);
    if (!isOpen) this.#openIn(restMs);
  }

  /**
   * So that processes that did not see the run go on when its time is over; who saw it needs no telling. Not once the
   * coordinator is closed: then they wait for as long as they would for a process that died.
   */
  #openIn(restMs: number): void {
    const { host, target } = this.#context;
    const open = async (): Promise<void> => {
      // Throws when it is closed.
      host.queue(target);
      await this.#amend({ closedForMs: 0 });
    };
    host.runtime.schedule(restMs, () => void open().catch(staysAsItIs));
  }

  async #amend(changes: Partial<SlotNote>): Promise<void> {
    const { board, target, ttlMs } = this.#context;
    const { name } = target;
    const { run } = this.note;
    const failing = `the end of a run of ${JSON.stringify(name)} was not written down`;
    const apply = (roster: Parameters<typeof amendRun>[0]) => amendRun(roster, name, run, changes);
    await board
      .change(
        { apply, isSettledIn: (roster) => apply(roster) === roster },
        { failing, waitMs: ttlMs, signal: undefined },
      )
      .catch(staysAsItIs);
  }
}

/** The slot stays begun: not run again, or once more where several attempts are allowed. Both is what was asked for. */
function staysAsItIs(): void {}
