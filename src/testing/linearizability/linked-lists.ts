/**
 * Doubly linked lists of small numbers that know where they stood: what was taken out goes back to its place in
 * constant time, as long as that happens in the opposite order ("dancing links").
 */
export class LinkedLists {
  /** Who comes after each item; the item's number of a list stands before its first item and after its last. */
  readonly nexts: Int32Array;
  readonly #previous: Int32Array;

  /** For items below `items`; `lists` numbers from there on stand for the lists themselves, which are empty. */
  constructor(items: number, lists: number) {
    this.nexts = Int32Array.from({ length: items + lists }, (_, item) => item);
    this.#previous = Int32Array.from(this.nexts);
  }

  /** Puts an item at the end of a list. */
  append(list: number, item: number): void {
    const last = this.#previous[list] ?? list;
    this.nexts[last] = item;
    this.#previous[item] = last;
    this.nexts[item] = list;
    this.#previous[list] = item;
  }

  /** Takes an item out of its list. */
  lift(item: number): void {
    const next = this.nexts[item] ?? 0;
    const previous = this.#previous[item] ?? 0;
    this.nexts[previous] = next;
    this.#previous[next] = previous;
  }

  /** Puts the item that was taken out last back to its place. */
  unlift(item: number): void {
    this.nexts[this.#previous[item] ?? 0] = item;
    this.#previous[this.nexts[item] ?? 0] = item;
  }
}
