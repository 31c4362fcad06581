import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import {
  type Attributes,
  attributeBytes,
  checkLimit,
  identityOf,
  refused,
  toAttribute,
} from "./attribute-values.ts";

/** The value of one attribute of a key. */
export type ItemKeyValue = string | number | bigint | Uint8Array;

/** Which item: the value of the partition key where that is the whole key, or the key's attributes by name. */
export type ItemKey = ItemKeyValue | Readonly<Record<string, ItemKeyValue>>;

/** The names of the attributes that are a table's key. */
export interface KeyNames {
  readonly partition: string;
  readonly sort?: string;
}

const [partitionBytesMax, sortBytesMax] = [2_048, 1_024];

/** @throws InvalidArgumentError for what is not the key of an item. @throws LimitExceededError for one that is too long. */
export function toKey(names: KeyNames, key: unknown): Attributes {
  const isObject = typeof key === "object" && key !== null && !(key instanceof Uint8Array);
  const given = isObject ? (key as Record<string, unknown>) : { [names.partition]: key };
  const wanted = namesIn(names);
  const came = Object.keys(given);
  if (came.length !== wanted.length || !wanted.every((name) => Object.hasOwn(given, name))) {
    const shape = `{ ${wanted.join(", ")} }`;
    const message = `the key of an item must be ${wanted.length === 1 ? `the value of ${wanted[0]}, or ` : ""}${shape}`;
    throw new InvalidArgumentError(`${message}; got ${isObject ? `{ ${came.join(", ")} }` : describe(key)}`);
  }
  return keyIn(names, Object.fromEntries(wanted.map((name) => [name, toAttribute(name, given[name])])));
}

/** The key of an item, checked. */
export function keyIn(names: KeyNames, item: Attributes): Attributes {
  return Object.fromEntries(namesIn(names).map((name, index) => [name, checkValue(name, item[name], index)]));
}

/** A text that two keys share when they are those of one item. */
export function keyIdentity(names: KeyNames, item: Attributes): string {
  return JSON.stringify(namesIn(names).map((name) => identityOf(item[name] as AttributeValue)));
}

/** @throws InvalidArgumentError */
export function toKeyNames(key: string | KeyNames): KeyNames {
  const names = typeof key === "string" ? { partition: key } : key;
  const { partition, sort = "-" } = names ?? {};
  if ([partition, sort].every((name) => typeof name === "string" && name !== "") && partition !== sort)
    return names;
  throw refused("key", "the name of the partition key, or { partition, sort }", key);
}

function namesIn({ partition, sort }: KeyNames): readonly string[] {
  return sort === undefined ? [partition] : [partition, sort];
}

function checkValue(name: string, value: AttributeValue | undefined, index: number): AttributeValue {
  const type = Object.keys(value ?? {})[0] ?? "nothing";
  const size = value === undefined ? 0 : attributeBytes(value);
  if (value === undefined || !/^[SNB]$/.test(type) || size === 0) {
    const came = type === "nothing" ? type : `${size === 0 ? "an empty " : ""}${type}`;
    throw new InvalidArgumentError(
      `${name} is part of the key and must be a string, a number or bytes, and not empty; got ${came}`,
    );
  }
  checkLimit(
    `${name}, which is part of the key,`,
    "bytes",
    index === 0 ? partitionBytesMax : sortBytesMax,
    size,
  );
  return value;
}
