import type { Stamp, Stamps, stampsMax } from "../core/stamps.ts";

/**
 * What the commands of one kind of record do to it: pure functions, so that the same commands can be applied again to
 * whatever another client has made of the record meanwhile.
 */
export interface RecordRules<State, Command, Answer> {
  /** The state in the bytes of a record; `null`: there is no record. @throws CorruptRecordError */
  decode(key: string, value: Uint8Array | null): State;
  encode(state: State): Uint8Array;
  /** The state as of now, before the commands of one write are applied to it. That alone changes nothing. */
  ready?(state: State): State;
  /**
   * The state after the command, the very same object when it changes nothing. What it throws is the answer of this
   * command alone, and changes nothing.
   */
  apply(state: State, command: Command): Applied<State, Answer>;
  /** Puts the mark of one write into the state, over the mark of this writer's write before. */
  stamp(state: State, write: Stamp): State;
  /** The marks in the state, oldest first. */
  stamps(state: State): Stamps;
  /** How many of them are kept. Left out: {@link stampsMax}. */
  readonly stampsMax?: number;
  /**
   * What a command becomes that may have been applied before, when so many others wrote since that no mark tells: one that
   * does no harm twice. Left out: its outcome is unknown.
   */
  again?(command: Command): Command | undefined;
  /** When the store may collect the record. `undefined`: never. */
  ttlMs(state: State): number | undefined;
  /** Whether a state is too large to be remembered while nothing is in flight. Left out: none is. */
  isLarge?(state: State): boolean;
}

/** What a command led to. */
export interface Applied<State, Answer> {
  readonly state: State;
  readonly answer: Answer;
}
