/**
 * Every decision of a simulated run, each at a place with a name of its own (`c1.request17`, `accident3`). What is
 * decided at a place depends on the seed and that name alone, not on what was asked before: leaving one fault out
 * leaves all the others as they were, so that a failing run can be shrunk to the few that matter.
 */
export class Choices {
  readonly seed: number;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #taken = new Set<string>();

  /** `only`: of everything that could happen out of the ordinary, just what happens at these places. */
  constructor(seed: number, only?: Iterable<string>) {
    this.seed = seed;
    this.#only = only === undefined ? undefined : new Set(only);
  }

  /** The places where something out of the ordinary happened so far, in order. */
  get taken(): readonly string[] {
    return [...this.#taken];
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  fraction(place: string): number {
    return hash(this.seed, place) / 2 ** 32;
  }

  /** A number from `low` (inclusive) to `high` (exclusive). */
  between(place: string, low: number, high: number): number {
    return low + (high - low) * this.fraction(place);
  }

  /** As {@link Choices.between}, with each order of magnitude as likely as the next. `low` is positive. */
  magnitude(place: string, low: number, high: number): number {
    return low * (high / low) ** this.fraction(place);
  }

  /** A whole number from `low` to `high`, both inclusive. */
  whole(place: string, low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.fraction(place));
  }

  /** One of a list that is not empty. */
  oneOf<T>(place: string, list: readonly [T, ...T[]] | readonly T[]): T {
    return list[Math.floor(list.length * this.fraction(place))] as T;
  }

  /** Whether it is so, in `rate` of all seeds. For what a run is like; {@link Choices.happens} is for what goes on in it. */
  likely(place: string, rate: number): boolean {
    return this.fraction(place) < rate;
  }

  /** Whether something out of the ordinary happens here, in `rate` of all cases. Shrinking leaves these out. */
  happens(place: string, rate: number): boolean {
    if (rate <= 0) return false;
    const isChosen = this.fraction(place) < rate && this.#only?.has(place) !== false;
    if (isChosen) this.#taken.add(place);
    return isChosen;
  }

  /** A generator of numbers for one place, for whoever draws many in a row. */
  stream(place: string): () => number {
    let state = hash(this.seed, place);
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      return mix(state) / 2 ** 32;
    };
  }
}

/** 32 bits that depend on all of the seed and the text: FNV-1a, then a finalizer for what FNV leaves in the low bits. */
function hash(seed: number, text: string): number {
  let state = 0x811c9dc5 ^ mix(seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1);
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(state >>> 0);
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
