/** An exchange of clients: the client at `i` becomes the one at `order[i]`. */
export type Exchange = readonly number[];

/** Every exchange of clients, but that of nobody, in which each takes the place of one of the same kind. */
export function exchanges(kinds: readonly string[]): readonly Exchange[] {
  const orders = permutations(kinds.map((_, index) => index));
  return orders.filter((order) => {
    const isKind = order.every((place, index) => kinds[place] === kinds[index]);
    return isKind && order.some((place, index) => place !== index);
  });
}

function permutations(items: readonly number[]): readonly (readonly number[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  );
}

/** Remembers for each number what it becomes. */
export class Renaming {
  readonly #numbers: number[] = [];
  readonly #rename: (number: number) => number;

  constructor(rename: (number: number) => number) {
    this.#rename = rename;
  }

  of(number: number): number {
    const known = this.#numbers[number];
    if (known !== undefined) return known;
    const renamed = this.#rename(number);
    this.#numbers[number] = renamed;
    return renamed;
  }
}
