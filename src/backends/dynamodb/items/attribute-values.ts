import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError, LimitExceededError } from "../../../core/errors.ts";

/** An item, or some attributes of one, as the low-level client takes and gives it. */
export type Attributes = Record<string, AttributeValue>;

/** How deep DynamoDB lets lists and maps stand in one another. Ends cycles, too. */
const depthMax = 32;
/** The limits of a DynamoDB number that is not 0. */
const [magnitudeMin, magnitudeMax, digitsMax] = [1e-130, 9.99e125, 38];

/**
 * A JavaScript value as DynamoDB stores it. Written here and not by `@aws-sdk/util-dynamodb`: that one is tied to the
 * SDK's very version, says nothing of where in an item a bad value stands, and writes what does not read back as it was.
 *
 * @throws InvalidArgumentError for what DynamoDB cannot store as it is.
 */
export function toAttribute(where: string, value: unknown, depth = 0): AttributeValue {
  checkLimit("lists and maps, none of them within itself,", "levels", depthMax, depth);
  if (value === null) return { NULL: true };
  if (typeof value === "boolean") return { BOOL: value };
  if (typeof value === "string") return { S: checkText(where, value) };
  if (typeof value === "number" || typeof value === "bigint") return { N: numberText(where, value) };
  if (value instanceof Uint8Array) return { B: value };
  if (value instanceof Set) return setAttribute(where, [...value]);
  if (Array.isArray(value)) {
    // Array.from: a hole is refused as undefined, and not skipped.
    return { L: Array.from(value, (each, index) => toAttribute(`${where}[${index}]`, each, depth + 1)) };
  }
  if (isPlain(value)) return { M: toAttributes(where, value, depth + 1) };
  throw refused(
    where,
    "a string, number, boolean, null, bigint, Uint8Array, Set, array or plain object; a Date as its toISOString()",
    value,
  );
}

/** The attributes of an object; members that are undefined are left out, as JSON leaves them out. */
export function toAttributes(where: string, value: unknown, depth = 0): Attributes {
  if (!isPlain(value)) throw refused(where, "a plain object", value);
  const prefix = depth === 0 ? "" : `${where}.`;
  if (Object.hasOwn(value, "__proto__"))
    throw refused(where, "without a member __proto__: the SDK cannot read it", value);
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) => {
      if (each === undefined) return [];
      return [[checkText("the name of an attribute", name), toAttribute(prefix + name, each, depth)]];
    }),
  );
}

/** The JavaScript value of an attribute. Whole numbers beyond the safe ones come as bigint. */
export function fromAttribute(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return fromNumber(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.B !== undefined) return value.B;
  if (value.L !== undefined) return value.L.map(fromAttribute);
  if (value.M !== undefined) return fromAttributes(value.M);
  if (value.SS !== undefined) return new Set(value.SS);
  if (value.NS !== undefined) return new Set(value.NS.map(fromNumber));
  return value.BS === undefined ? null : new Set(value.BS);
}

/** The object of an item. */
export function fromAttributes(item: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    // The SDK makes nothing of an attribute named __proto__, which somebody else may have written.
    Object.entries(item).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, fromAttribute(value)]],
    ),
  );
}

/** How large DynamoDB counts an attribute, in bytes; numbers, roughly. */
export function attributeBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return numberBytes(value.N);
  if (value.B !== undefined) return value.B.length;
  if (value.L !== undefined) return value.L.reduce((sum, each) => sum + 1 + attributeBytes(each), 3);
  if (value.M !== undefined) return attributesBytes(value.M) + 3 + Object.keys(value.M).length;
  if (value.SS !== undefined) return value.SS.reduce((sum, each) => sum + Buffer.byteLength(each), 0);
  if (value.NS !== undefined) return value.NS.reduce((sum, each) => sum + numberBytes(each), 0);
  return value.BS?.reduce((sum, each) => sum + each.length, 0) ?? 1;
}

/** How large DynamoDB counts an item. */
export function attributesBytes(item: Attributes): number {
  return Object.entries(item).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + attributeBytes(value),
    0,
  );
}

/** A text that two attributes share when DynamoDB takes them for equal, as values of a key. */
export function identityOf({ S, N, B }: AttributeValue): string {
  if (N !== undefined) return `N${fromNumber(N)}`;
  return S === undefined ? `B${Buffer.from(B ?? []).toString("base64")}` : `S${S}`;
}

function setAttribute(where: string, members: readonly unknown[]): AttributeValue {
  const values = new Map<string, AttributeValue>();
  const types = new Set<string>();
  for (const member of members) {
    const value = toAttribute(`a member of ${where}`, member);
    types.add(Object.keys(value)[0] ?? "");
    values.set(identityOf(value), value);
  }
  const [type = "", ...others] = types;
  if (others.length > 0 || !/^[SNB]$/.test(type)) {
    const came = members.length === 0 ? "an empty Set" : `a Set of ${[...types].join(" and ")}`;
    throw new InvalidArgumentError(
      `${where} must be a Set of strings, of numbers, or of Uint8Arrays, and not empty; got ${came}`,
    );
  }
  return { [`${type}S`]: [...values.values()].map((value) => Object.values(value)[0]) } as never;
}

function numberText(where: string, value: number | bigint): string {
  const magnitude = typeof value === "number" ? Math.abs(value) : 1;
  if (magnitude !== 0 && !(magnitude >= magnitudeMin && magnitude <= magnitudeMax)) {
    throw refused(where, "a finite number from 1e-130 to 9.99e125, positive, negative, or 0", value);
  }
  const [mantissa = "", exponent] = String(value).split("e+");
  if (exponent === undefined) {
    if (typeof value === "bigint" && mantissa.replace(/^-|0+$/g, "").length > digitsMax) {
      throw refused(where, `a number of at most ${digitsMax} digits`, value);
    }
    return mantissa;
  }
  // As DynamoDB gives it back, so that both texts are one.
  const [whole = "", fraction = ""] = mantissa.split(".");
  return whole + fraction + "0".repeat(Number(exponent) - fraction.length);
}

function fromNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text);
}

function numberBytes(text: string): number {
  const digits = text.replace(/^-?0*\.?0*|e.*$|\D/gi, "").replace(/0+$/, "");
  return Math.ceil(digits.length / 2) + (text.startsWith("-") ? 2 : 1);
}

function checkText(where: string, text: string): string {
  if (text.isWellFormed()) return text;
  throw refused(where, "well-formed Unicode", text);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  // Of another realm, such as that of a test runner, too.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @throws LimitExceededError */
export function checkLimit(what: string, unit: string, limit: number, size: number): void {
  if (size <= limit) return;
  throw new LimitExceededError(`DynamoDB takes ${what} of at most ${limit} ${unit}; got ${size}`, {
    limit,
    size,
  });
}

/** The error for a value that was refused. */
export function refused(where: string, wanted: string, value: unknown): InvalidArgumentError {
  const constructed = typeof value === "object" && value !== null && !Array.isArray(value);
  const name = constructed ? (value.constructor as { name?: unknown } | undefined)?.name : undefined;
  const came = constructed && typeof name === "string" && name !== "Object" ? `a ${name}` : describe(value);
  return new InvalidArgumentError(`${where} must be ${wanted}; got ${came}`);
}
