import { InvalidArgumentError } from "../../../core/errors.ts";
import { type Attributes, attributesBytes, checkLimit, refused, toAttribute } from "./attribute-values.ts";

/**
 * Where in an item: `"email"`, `"address.city"`, `"tags[0]"`; or its parts, `["a.b", "city", 0]`, for names that hold a
 * dot or a bracket.
 */
export type ItemPath = string | readonly (string | number)[];

/** Gives the placeholders that stand in an expression for names and values: nothing in them is ever parsed. */
export interface ExpressionParts {
  path(path: ItemPath): string;
  value(value: unknown): string;
}

const [expressionBytesMax, operatorsMax, valuesBytesMax] = [4_096, 300, 2 * 1_024 * 1_024];
const operators = /AND|OR|NOT|IN|[=<>+]+|[a-z_]+\(/g;
const segment = /^([^.[\]]+)((?:\[\d+\])*)$/;

/** The names and values of all expressions of one request. */
export class Expression implements ExpressionParts {
  readonly #names = new Map<string, string>();
  readonly #values: Attributes = {};
  #count = 0;

  path(path: ItemPath): string {
    return segmentsOf(path)
      .map((part, index) =>
        typeof part === "number" ? `[${part}]` : (index > 0 ? "." : "") + this.#name(part),
      )
      .join("");
  }

  value(value: unknown, where = "a value of an expression"): string {
    const placeholder = `:${this.#count++}`;
    this.#values[placeholder] = toAttribute(where, value);
    return placeholder;
  }

  /** The expression that `render` makes, checked against DynamoDB's limits. */
  render(what: string, render: (parts: this) => string): string {
    const text = render(this);
    const check = (unit: string, limit: number, count: number) => checkLimit(`a ${what}`, unit, limit, count);
    check("bytes", expressionBytesMax, text.length);
    check("operators and functions", operatorsMax, text.match(operators)?.length ?? 0);
    check("bytes of values", valuesBytesMax, attributesBytes(this.#values));
    return text;
  }

  /** What goes with the expressions in the request. */
  get members(): {
    ExpressionAttributeNames?: Record<string, string>;
    ExpressionAttributeValues?: Attributes;
  } {
    return {
      ...(this.#names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries([...this.#names].map(([name, alias]) => [alias, name])),
      }),
      ...(this.#count > 0 && { ExpressionAttributeValues: this.#values }),
    };
  }

  #name(name: string): string {
    const alias = this.#names.get(name) ?? `#${this.#names.size}`;
    this.#names.set(name, alias);
    return alias;
  }
}

/** @throws InvalidArgumentError for what is no path. */
export function segmentsOf(path: ItemPath): readonly (string | number)[] {
  const parts = typeof path === "string" ? parse(path) : path;
  const [first] = Array.isArray(parts) ? parts : [];
  const isSound = (part: unknown): boolean =>
    typeof part === "string"
      ? part !== "" && part !== "__proto__" && part.isWellFormed()
      : Number.isSafeInteger(part) && Number(part) >= 0;
  if (typeof first === "string" && parts?.every(isSound)) return parts;
  throw refused("a path", 'like "email", "address.city", "tags[0]" or ["a.b", 0]', path);
}

/** The segments of a path in a text, or null. */
function parse(path: string): readonly (string | number)[] | null {
  const segments: (string | number)[] = [];
  for (const part of path.split(".")) {
    const [, name = "", indexes = ""] = segment.exec(part) ?? [];
    if (name === "") return null;
    segments.push(name, ...(indexes.match(/\d+/g) ?? []).map(Number));
  }
  return segments;
}

/** The projection of some paths, or nothing for the whole item. */
export function projection(
  expression: Expression,
  paths: readonly ItemPath[] | undefined,
): { ProjectionExpression?: string } {
  if (paths === undefined) return {};
  if (!Array.isArray(paths) || paths.length === 0) {
    throw new InvalidArgumentError("project must be an array of at least one path");
  }
  const render = () => paths.map((path) => expression.path(path)).join(", ");
  return { ProjectionExpression: expression.render("projection", render) };
}
