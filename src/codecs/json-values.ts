import { types } from "node:util";

/** Deeper values are refused on both sides, so that no stack overflows, and all that was written can be read. */
const depthMax = 500;
const surviving = "pass jsonCodec({ extended: true })";
const specialNumbers = ["NaN", "Infinity", "-Infinity", "-0"];

/** Why a value is refused, and where in it. */
export class Refusal extends Error {
  readonly path: readonly PropertyKey[];

  constructor(message: string, path: readonly PropertyKey[], cause?: unknown) {
    super(message, { cause });
    this.path = path;
  }
}

/**
 * The value as what `JSON.stringify` writes without changing anything. In the extended form an object of one property
 * that begins with `$` stands for something else; one of the user's gets another `$` in front.
 *
 * @throws Refusal for what would not come back.
 */
export function toPlain(root: unknown, isExtended: boolean): unknown {
  const path: PropertyKey[] = [];
  const above: object[] = [];
  const refuse = (message: string): never => {
    throw new Refusal(message, [...path]);
  };
  /** What only the extended form can hold. */
  const tagged = (noun: string, tag: string, content: () => unknown): unknown =>
    isExtended
      ? { [tag]: content() }
      : refuse(`${noun} would not come back from JSON: convert it, or ${surviving}`);

  const list = (values: readonly unknown[]): unknown[] =>
    values.map((value, index) => {
      path.push(index);
      const plain = convert(value);
      path.pop();
      return plain;
    });

  const properties = (value: object): unknown => {
    const plain: Record<string, unknown> = {};
    const keys = Object.keys(value);
    for (const key of keys) {
      const content: unknown = value[key as never];
      path.push(key);
      const reason = pollution(key, content);
      if (reason !== undefined) refuse(reason);
      if (content !== undefined) plain[key] = convert(content);
      path.pop();
    }
    const [only = "", ...others] = Object.keys(plain);
    return isExtended && only.startsWith("$") && others.length === 0 ? { [`$${only}`]: plain[only] } : plain;
  };

  const structure = (value: object): unknown => {
    const hasSymbols = Object.getOwnPropertySymbols(value).some((symbol) =>
      Object.prototype.propertyIsEnumerable.call(value, symbol),
    );
    if (hasSymbols) refuse("a property named by a symbol would be lost");
    const proto = prototypeOf(value);
    if (proto === null || (prototypeOf(proto) === null && Object.hasOwn(proto, "isPrototypeOf")))
      return properties(value);
    const name = className(proto);
    if (types.isUint8Array(value)) {
      const { buffer, byteOffset, byteLength } = value;
      return tagged(name, "$bytes", () => Buffer.from(buffer, byteOffset, byteLength).toString("base64"));
    }
    // Those of other realms have other classes, and the same distance from null. Extended classes would come back as the bare one.
    const isBare = prototypeOf(prototypeOf(proto)) === null;
    const keys = Object.keys(value);
    if (Array.isArray(value) && isBare) {
      // Indexes come first, in order: so these are all of them, and nothing else.
      const isDense = keys.length === value.length && (keys.at(-1) ?? "-1") === String(value.length - 1);
      return isDense
        ? list(value)
        : refuse("an array with holes, or with properties of its own, would lose them");
    }
    if (isBare && keys.length === 0) {
      if (types.isDate(value))
        return tagged("a Date", "$date", () => (Number.isNaN(value.getTime()) ? null : value.toISOString()));
      if (types.isMap(value)) return tagged("a Map", "$map", () => list([...value]));
      if (types.isSet(value)) return tagged("a Set", "$set", () => list([...value]));
    }
    if (name === "Promise") return refuse("a promise cannot be stored: await it");
    return refuse(`an instance of ${name} would come back as something else: store its properties`);
  };

  const convert = (value: unknown): unknown => {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (Object.is(value, -0)) return isExtended ? { $number: "-0" } : 0;
        return Number.isFinite(value) ? value : tagged(String(value), "$number", () => String(value));
      case "bigint":
        return tagged("a bigint", "$bigint", () => String(value));
      case "undefined":
        if (above.length === 0) return refuse("undefined cannot be stored: delete the key, or store null");
        return tagged("undefined", "$undefined", () => true);
      case "object": {
        if (value === null) return value;
        if (above.includes(value)) refuse("a cycle cannot be stored: the value contains itself");
        if (above.length === depthMax) refuse(`it has more than ${depthMax} levels`);
        above.push(value);
        const plain = structure(value);
        above.pop();
        return plain;
      }
      default:
        return refuse(`a ${typeof value} cannot be stored`);
    }
  };
  return convert(root);
}

/**
 * The value that {@link toPlain} made this of. Changes what it is given.
 *
 * @throws Refusal for what it never makes.
 */
export function fromPlain(root: unknown, isExtended: boolean): unknown {
  const path: PropertyKey[] = [];
  let depth = 0;
  const refuse = (message: string): never => {
    throw new Refusal(message, [...path]);
  };

  const list = (values: unknown[]): unknown[] => {
    for (const [index, value] of values.entries()) {
      path.push(index);
      values[index] = convert(value);
      path.pop();
    }
    return values;
  };

  const untag = (tag: string, content: unknown): unknown => {
    if (tag === "$undefined" && content === true) return undefined;
    if (tag === "$date" && content === null) return new Date(Number.NaN);
    if (Array.isArray(content)) {
      if (tag === "$set") return new Set(list(content));
      const isPairs = content.every((pair) => Array.isArray(pair) && pair.length === 2);
      if (tag === "$map" && isPairs) return new Map(list(content) as [unknown, unknown][]);
    }
    if (typeof content === "string") {
      if (tag === "$bigint" && /^-?\d+$/.test(content)) return BigInt(content);
      if (tag === "$number" && specialNumbers.includes(content)) return Number(content);
      if (tag === "$bytes") return new Uint8Array(Buffer.from(content, "base64"));
      if (tag === "$date" && !Number.isNaN(Date.parse(content))) return new Date(content);
    }
    return refuse(`an object whose only property is ${tag} stands for nothing that this version knows`);
  };

  const properties = (value: Record<string, unknown>): unknown => {
    const keys = Object.keys(value);
    const [only = ""] = keys;
    if (isExtended && keys.length === 1 && only.startsWith("$")) {
      if (!only.startsWith("$$")) return untag(only, value[only]);
      value[only.slice(1)] = value[only];
      delete value[only];
      keys[0] = only.slice(1);
    }
    for (const key of keys) {
      path.push(key);
      const reason = pollution(key, value[key]);
      if (reason !== undefined) refuse(reason);
      value[key] = convert(value[key]);
      path.pop();
    }
    return value;
  };

  const convert = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    depth += 1;
    // One more than what is written: bigints and the like have become objects.
    if (depth > depthMax + 1) refuse(`it has more than ${depthMax} levels`);
    const result = Array.isArray(value) ? list(value) : properties(value as Record<string, unknown>);
    depth -= 1;
    return result;
  };
  return convert(root);
}

/** Why a property may not be: those who merge it into another object would change what all objects inherit. */
function pollution(key: string, content: unknown): string | undefined {
  const pollutes =
    key === "__proto__" ||
    (key === "constructor" &&
      typeof content === "object" &&
      content !== null &&
      Object.hasOwn(content, "prototype"));
  return pollutes
    ? "a property of this name changes prototypes when the object is merged into another"
    : undefined;
}

function prototypeOf(value: unknown): object | null {
  return value === null ? null : Object.getPrototypeOf(value);
}

function className(proto: object): string {
  const name: unknown = (proto.constructor as { readonly name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" ? name : "a class";
}
