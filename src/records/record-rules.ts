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
  stamp(state: State, writer: string, sequence: number): State;
  /** Whether the newest mark of this writer is the one of this write. */
  isStamped(state: State, writer: string, sequence: number): boolean;
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

/** The newest write of each of the last writers, oldest first. */
export type Stamps = readonly (readonly [writer: string, sequence: number])[];

/** Writers whose newest write is kept: as far as that reaches, a write whose answer was lost is never done twice. */
export const stampsMax = 16;

/** Puts a write at the end of the list, in the place of the same writer's write before; at most `max` writers stay. */
export function addStamp(stamps: Stamps, writer: string, sequence: number, max = stampsMax): Stamps {
  const others = stamps.filter(([other]) => other !== writer);
  return [...others.slice(1 - max), [writer, sequence]];
}

/** Whether the writer's newest write is this one. */
export function hasStamp(stamps: Stamps, writer: string, sequence: number): boolean {
  return stamps.some(([other, newest]) => other === writer && newest === sequence);
}

/** Whether a decoded value is a list of stamps. */
export function isStamps(value: unknown): value is Stamps {
  const isStamp = (entry: unknown): boolean =>
    Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]);
  return Array.isArray(value) && value.every(isStamp);
}
