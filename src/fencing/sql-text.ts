import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";

/** How a driver marks parameters: `?` (SQLite, MySQL), or `$1`, `$2` and so on (PostgreSQL). */
export type SqlPlaceholders = "?" | "$";

/** A text with its parameters, for `run(text, parameters)` of any driver. */
export interface SqlStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** A piece of SQL whose parameters stand apart. Made by {@link sqlFragment}. */
export interface SqlFragment {
  /** The text between the parameters. */
  readonly texts: readonly string[];
  readonly parameters: readonly unknown[];
}

class Fragment implements SqlFragment {
  readonly texts: readonly string[];
  readonly parameters: readonly unknown[];

  constructor(texts: readonly string[], parameters: readonly unknown[]) {
    this.texts = texts;
    this.parameters = parameters;
  }
}

/** Whether it was made by {@link sqlFragment}. What only looks like it may come from a request. */
export function isSqlFragment(value: unknown): value is SqlFragment {
  return value instanceof Fragment;
}

/**
 * A piece of SQL of your own, to be put into a fenced statement: what stands in `${}` becomes a parameter.
 *
 * @example
 * ```ts
 * import { fencedUpdate, sqlFragment } from "leasehold";
 * const { text, parameters } = fencedUpdate({ fence: 7 }, {
 *   table: "stock",
 *   key: { id: "a" },
 *   set: { pieces: sqlFragment`pieces - ${2}` },
 *   and: sqlFragment`pieces >= ${2}`,
 *   placeholders: "$",
 * });
 * console.log(text.slice(0, 52)); // UPDATE stock SET pieces = pieces - $1, fence = $2 WH
 * console.log(parameters); // [ 2, 7, 'a', 7, 2 ]
 * ```
 */
export function sqlFragment(texts: TemplateStringsArray, ...parameters: readonly unknown[]): SqlFragment {
  return new Fragment(texts, parameters);
}

/** Puts a statement together, and numbers its parameters as they come. */
export class SqlBuilder {
  readonly #placeholders: SqlPlaceholders;
  readonly #parameters: unknown[] = [];
  #text = "";

  constructor(placeholders: SqlPlaceholders) {
    this.#placeholders = placeholders;
  }

  text(text: string): this {
    this.#text += text;
    return this;
  }

  /** A parameter, or a fragment with those of its own. */
  value(value: unknown): this {
    if (!isSqlFragment(value)) {
      this.#parameters.push(value);
      return this.text(this.#placeholders === "?" ? "?" : `$${this.#parameters.length}`);
    }
    this.text(value.texts[0] ?? "");
    for (const [index, parameter] of value.parameters.entries()) {
      this.value(parameter).text(value.texts[index + 1] ?? "");
    }
    return this;
  }

  get statement(): SqlStatement {
    return { text: this.#text, parameters: [...this.#parameters] };
  }
}

const word = /^[A-Za-z_][\w$]*$/;
const quoted = /^("([^"]|"")+"|`([^`]|``)+`|\[[^[\]]+\])$/;

/**
 * A name as it may stand in a statement. It is never quoted here: databases quote differently, and fold the case of what
 * is not quoted differently.
 *
 * @throws InvalidArgumentError for anything but a word or a quoted name.
 */
export function checkColumn(option: string, name: string): string {
  if (typeof name === "string" && (word.test(name) || quoted.test(name))) return name;
  throw new InvalidArgumentError(
    `${option} must be a name made of letters, digits and _, or one that is quoted for your database; got ${describe(name)}`,
  );
}

/** @throws InvalidArgumentError for anything but a name, or names with dots between them. */
export function checkTable(name: string): string {
  const isName =
    typeof name === "string" && (quoted.test(name) || name.split(".").every((part) => word.test(part)));
  return isName ? name : checkColumn("table", name);
}
