import { InvalidArgumentError } from "../../../core/errors.ts";
import { checkLimit, refused } from "./attribute-values.ts";
import type { Expression, ExpressionParts, ItemPath } from "./expression.ts";

/**
 * What must hold of an item, made by {@link equals} and the others, for writes, queries, scans and transactions. A
 * function of your own fits too: it gives the text, with the placeholders that it asks for.
 */
export type ItemCondition = (parts: ExpressionParts) => string;

/** Something to compare with: {@link attribute} or {@link size}. */
export type ItemOperand = (parts: ExpressionParts) => string;

const types = {
  string: "S",
  number: "N",
  bytes: "B",
  boolean: "BOOL",
  null: "NULL",
  list: "L",
  map: "M",
  stringSet: "SS",
  numberSet: "NS",
  bytesSet: "BS",
} as const;

const listMax = 100;

/** Another attribute of the item, instead of a value: `lessThan("used", attribute("limit"))`. */
export function attribute(path: ItemPath): ItemOperand {
  return (parts) => parts.path(path);
}

/** The length of a text or of bytes, or the number of members: `lessThan(size("tags"), 10)`. */
export function size(path: ItemPath): ItemOperand {
  return (parts) => `size(${parts.path(path)})`;
}

const compare =
  (operator: string) =>
  (path: ItemPath | ItemOperand, value: unknown): ItemCondition =>
  (parts) =>
    `${left(parts, path)} ${operator} ${operandText(parts, value)}`;

/** The attribute is there and equal, its type included. */
export const equals: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare("=");
/** Something else, or not there. */
export const notEquals: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare("<>");
/** Smaller, and of the same type. */
export const lessThan: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare("<");
/** Not larger, and of the same type. */
export const atMost: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare("<=");
/** Larger, and of the same type. */
export const greaterThan: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare(">");
/** Not smaller, and of the same type. */
export const atLeast: (path: ItemPath | ItemOperand, value: unknown) => ItemCondition = compare(">=");

/** From `low` to `high`, both included. */
export function between(path: ItemPath | ItemOperand, low: unknown, high: unknown): ItemCondition {
  return (parts) => `${left(parts, path)} BETWEEN ${operandText(parts, low)} AND ${operandText(parts, high)}`;
}

/** Equal to one of 1 to 100 values. */
export function isOneOf(path: ItemPath | ItemOperand, values: readonly unknown[]): ItemCondition {
  if (!Array.isArray(values) || values.length === 0) {
    throw new InvalidArgumentError("isOneOf must have an array of at least one value");
  }
  checkLimit("a list in isOneOf", "values", listMax, values.length);
  return (parts) =>
    `${left(parts, path)} IN (${values.map((value) => operandText(parts, value)).join(", ")})`;
}

/** The attribute is there, whatever it holds. Of a key's attribute: the item is there. */
export function exists(path: ItemPath): ItemCondition {
  return (parts) => `attribute_exists(${parts.path(path)})`;
}

/** The attribute is not there. Of a key's attribute: the item is not there. */
export function missing(path: ItemPath): ItemCondition {
  return (parts) => `attribute_not_exists(${parts.path(path)})`;
}

/** A text, or bytes, with this beginning. */
export function beginsWith(path: ItemPath, prefix: string | Uint8Array): ItemCondition {
  return (parts) => `begins_with(${parts.path(path)}, ${operandText(parts, prefix)})`;
}

/** A text with this part, or a list or Set with this member. */
export function contains(path: ItemPath, value: unknown): ItemCondition {
  return (parts) => `contains(${parts.path(path)}, ${operandText(parts, value)})`;
}

/** What the attribute holds is of this type. */
export function hasType(path: ItemPath, type: keyof typeof types): ItemCondition {
  if (!Object.hasOwn(types, type)) throw refused("the type", `one of ${Object.keys(types).join(", ")}`, type);
  return (parts) => `attribute_type(${parts.path(path)}, ${parts.value(types[type])})`;
}

/** All of them hold. */
export function and(...conditions: readonly ItemCondition[]): ItemCondition {
  return joined("AND", conditions);
}

/** At least one of them holds. */
export function or(...conditions: readonly ItemCondition[]): ItemCondition {
  return joined("OR", conditions);
}

/** It does not hold. */
export function not(condition: ItemCondition): ItemCondition {
  return (parts) => `(NOT ${rendered(parts, condition)})`;
}

/** The text of a condition within a request, or nothing when there is none. */
export function conditionText(
  expression: Expression,
  what: string,
  condition: ItemCondition | undefined,
): string | undefined {
  if (condition === undefined) return undefined;
  return expression.render(what, (parts) => rendered(parts, condition));
}

/** In parentheses only where there are several: DynamoDB refuses redundant ones. */
function joined(word: string, conditions: readonly ItemCondition[]): ItemCondition {
  if (conditions.length === 0) throw new InvalidArgumentError(`${word} must have at least one condition`);
  return (parts) => {
    const [first = "", ...others] = conditions.map((condition) => rendered(parts, condition));
    return others.length === 0 ? first : `(${[first, ...others].join(` ${word} `)})`;
  };
}

function rendered(parts: ExpressionParts, condition: ItemCondition): string {
  if (typeof condition === "function") return condition(parts);
  throw refused("a condition", 'made by equals("status", "active") or another of these functions', condition);
}

function left(parts: ExpressionParts, path: ItemPath | ItemOperand): string {
  return typeof path === "function" ? path(parts) : parts.path(path);
}

/** A value, or what an operand gives. */
export function operandText(parts: ExpressionParts, value: unknown): string {
  return typeof value === "function" ? value(parts) : parts.value(value);
}
