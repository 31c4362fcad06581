import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import type { AttributeNames } from "./options.ts";

/** The attribute names of {@link AttributeNames} with those derived from them. */
export interface ItemLayout extends AttributeNames {
  /** The versions before the current one, newest first; {@link noVersion} where there was none. */
  readonly earlier: readonly [string, string, string];
  /** How many adds a counter has seen: the order of its receipts. Never falls. */
  readonly adds: string;
  /** Up to which of them receipts were removed. Absent: none was. */
  readonly pruned: string;
  /** Whether items are written with their group, for an index that lists them. */
  readonly indexed: boolean;
}

/** One letter each: an item pays for the bytes of its attribute names with every write. */
export const defaultAttributes: AttributeNames = {
  key: "pk",
  value: "d",
  version: "v",
  expiry: "x",
  sum: "n",
  group: "g",
};

/** Stands for "no record" in {@link ItemLayout.earlier}. Shorter than any id, so it is never a version. */
export const noVersion = "-";

/** Begins the attribute that numbers a writer's last add; the writer's name follows. */
export const receiptPrefix = "r-";
/** Begins the attribute that holds the sum a writer's last add led to; the writer's name follows. */
export const receiptSumPrefix = "s-";

/** The group of a key: what an index lists together. */
export function groupOf(key: string): string {
  return key.split(".", 2).join(".");
}

/** The group of every key that begins with `prefix`, or null when they may be in several. */
export function groupOfPrefix(prefix: string): string | null {
  return prefix.split(".").length > 2 ? groupOf(prefix) : null;
}

/** @throws InvalidArgumentError when two attributes share a name or a name cannot be used. */
export function itemLayout(names: AttributeNames, indexed: boolean): ItemLayout {
  const { key, value, version, expiry, sum, group } = names;
  const layout: ItemLayout = {
    ...{ key, value, version, expiry, sum, group, indexed },
    earlier: [`${version}1`, `${version}2`, `${version}3`],
    adds: `${sum}1`,
    pruned: `${sum}2`,
  };
  const all = [key, value, version, expiry, sum, group, ...layout.earlier, layout.adds, layout.pruned];
  const usable = all.every((name) => typeof name === "string" && /^[^-]{1,100}$/.test(name));
  if (!usable || new Set(all).size < all.length) {
    throw new InvalidArgumentError(
      `attributes must be different names of 1 to 100 characters without "-"; got ${describe(all.join(", "))}`,
    );
  }
  return layout;
}
