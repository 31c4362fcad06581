const emptySlot = 0;
const firstCapacity = 1 << 12;

/** A list of unsigned 32-bit numbers that grows. */
export class GrowingInts {
  #values = new Uint32Array(firstCapacity);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Uint32Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }
}

/** A set of states, each a fixed number of words, numbered in the order of arrival. Stores them whole. */
export class StateTable {
  readonly #words: number;
  #states: Int32Array;
  #slots = new Uint32Array(2 * firstCapacity);
  #size = 0;

  constructor(words: number) {
    this.#words = words;
    this.#states = new Int32Array(firstCapacity * words);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a state, a new one if it was not there. */
  add(state: Int32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(state) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] ?? emptySlot;
      if (entry === emptySlot) return this.#insert(state, slot);
      if (this.#isAt(entry - 1, state)) return entry - 1;
    }
  }

  /** A state by its number: a view that is valid until the next `add`. */
  at(index: number): Int32Array {
    return this.#states.subarray(index * this.#words, (index + 1) * this.#words);
  }

  #isAt(index: number, state: Int32Array): boolean {
    const start = index * this.#words;
    for (let word = 0; word < this.#words; word += 1) {
      if (this.#states[start + word] !== state[word]) return false;
    }
    return true;
  }

  #insert(state: Int32Array, slot: number): number {
    const index = this.#size;
    if ((index + 1) * this.#words > this.#states.length) {
      const larger = new Int32Array(2 * this.#states.length);
      larger.set(this.#states);
      this.#states = larger;
    }
    this.#states.set(state, index * this.#words);
    this.#slots[slot] = index + 1;
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    return index;
  }

  #rehash(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let index = 0; index < this.#size; index += 1) {
      let slot = hash(this.at(index)) & mask;
      while (slots[slot] !== emptySlot) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

/** Mixes as MurmurHash3 does; where two states collide they are compared. */
function hash(state: Int32Array): number {
  let mixed = 0;
  for (let word = 0; word < state.length; word += 1) {
    let part = Math.imul(state[word] ?? 0, 0xcc9e2d51);
    part = (part << 15) | (part >>> 17);
    mixed ^= Math.imul(part, 0x1b873593);
    mixed = (mixed << 13) | (mixed >>> 19);
    mixed = (Math.imul(mixed, 5) + 0xe6546b64) | 0;
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
