/**
 * A set that costs next to nothing while it holds one item or none, as most of ten thousand do: an empty `Set` is a
 * table of two hundred bytes. Keeps the order in which items came.
 */
export class SparseSet<T extends object> implements Iterable<T> {
  #only: T | undefined;
  #all: Set<T> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1);
  }

  has(item: T): boolean {
    return this.#all?.has(item) ?? this.#only === item;
  }

  add(item: T): void {
    if (this.#all !== undefined) this.#all.add(item);
    else if (this.#only === undefined || this.#only === item) this.#only = item;
    else {
      this.#all = new Set([this.#only, item]);
      this.#only = undefined;
    }
  }

  delete(item: T): void {
    if (this.#only === item) this.#only = undefined;
    this.#all?.delete(item);
  }

  /** What comes and goes meanwhile may be missed. */
  *[Symbol.iterator](): Generator<T, void, void> {
    if (this.#only !== undefined) yield this.#only;
    else if (this.#all !== undefined) yield* this.#all;
  }
}

const none: readonly never[] = [];

/** As {@link SparseSet}, with a value for each item: no table while there is none. */
export class SparseMap<K extends object, V> implements Iterable<[K, V]> {
  #all: Map<K, V> | undefined;

  get size(): number {
    return this.#all?.size ?? 0;
  }

  set(key: K, value: V): void {
    this.#all ??= new Map();
    this.#all.set(key, value);
  }

  delete(key: K): void {
    this.#all?.delete(key);
    if (this.#all?.size === 0) this.#all = undefined;
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.#all ?? none)[Symbol.iterator]() as Iterator<[K, V]>;
  }

  keys(): Iterable<K> {
    return this.#all?.keys() ?? none;
  }

  values(): Iterable<V> {
    return this.#all?.values() ?? none;
  }
}
