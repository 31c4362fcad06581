import { InvalidArgumentError } from "../../../core/errors.ts";
import type { FenceablePut, FenceableUpdate } from "../fence-expressions.ts";
import { type Attributes, refused } from "./attribute-values.ts";
import { and, type ItemCondition, type ItemOperand, operandText } from "./conditions.ts";
import { Expression, type ExpressionParts, type ItemPath, segmentsOf } from "./expression.ts";
import { guard, type ItemTable, type ItemWrite, write } from "./item-table.ts";

/** The type of what stands at a path, where that is the name of an attribute. */
export type ValueAt<T, P> = P extends keyof T ? Exclude<T[P], undefined> : unknown;

/** An entry of a `TransactWriteItems`, with values as the low-level client takes them: one of its members. */
export interface ItemTransactionEntry {
  readonly Put?: FenceablePut;
  readonly Update?: FenceableUpdate;
  readonly Delete?: object;
  readonly ConditionCheck?: object;
}

/**
 * An update, put together call by call; each call gives a new one. An item that is not there comes into being, unless
 * `when` says otherwise. A value may be {@link attribute} of another path.
 */
export interface ItemUpdate<T> {
  set<const P extends ItemPath>(path: P, value: ValueAt<T, P> | ItemOperand): ItemUpdate<T>;
  /** Sets what is not there. */
  setIfAbsent<const P extends ItemPath>(path: P, value: ValueAt<T, P> | ItemOperand): ItemUpdate<T>;
  /** Adds to a number; one that is not there counts as 0. Default: 1. */
  increment(path: ItemPath, by?: number | bigint): ItemUpdate<T>;
  /** Puts values behind those of a list, which may not be there yet. */
  append(path: ItemPath, values: readonly unknown[]): ItemUpdate<T>;
  /** Puts values before those of a list. */
  prepend(path: ItemPath, values: readonly unknown[]): ItemUpdate<T>;
  remove(path: ItemPath): ItemUpdate<T>;
  /** Adds members to a Set, which may not be there yet. */
  add(path: ItemPath, members: ReadonlySet<unknown>): ItemUpdate<T>;
  /** Takes members out of a Set. */
  delete(path: ItemPath, members: ReadonlySet<unknown>): ItemUpdate<T>;
  /** The update applies only where this holds; of several, all. */
  when(condition: ItemCondition): ItemUpdate<T>;
  /** What the answer holds: the item after it, before it, or nothing. Default: `new`. */
  returning(what: "new" | "old" | "none"): ItemUpdate<T>;
  /**
   * Sends it. What changes more with each time, such as `increment` and `append`, is sent once, whatever the client's
   * `maxAttempts`.
   *
   * @throws OutcomeUnknownError (`OUTCOME_UNKNOWN`) when no answer came. In a {@link dynamodbTransaction} lost answers
   * are resolved, at twice the price.
   */
  run(): Promise<ItemWrite<T>>;
  /** The entry for a transaction: nothing is sent. */
  entry(): { readonly Update: FenceableUpdate };
}

type Action = "SET" | "REMOVE" | "ADD" | "DELETE";

interface Clause {
  readonly action: Action;
  readonly path: ItemPath;
  readonly render: (at: string, parts: ExpressionParts) => string;
  /** Applied twice, it leaves what it leaves when applied once. */
  readonly repeatable: boolean;
}

interface Plan {
  readonly table: ItemTable;
  readonly key: Attributes;
  readonly clauses: readonly Clause[];
  readonly conditions: readonly ItemCondition[];
  readonly returning: keyof typeof returnValues;
}

const returnValues = { new: "ALL_NEW", old: "ALL_OLD", none: "NONE" } as const;

/** An update that changes nothing yet. */
export function itemUpdate<T>(table: ItemTable, key: Attributes): ItemUpdate<T> {
  return build({ table, key, clauses: [], conditions: [], returning: "new" });
}

function build<T>(plan: Plan): ItemUpdate<T> {
  const change = (
    action: Action,
    path: ItemPath,
    harmless: boolean,
    render: Clause["render"] = (at) => at,
  ) => {
    // An index means another place once it is applied, or one behind the end.
    const repeatable = segmentsOf(path).every((part) => typeof part === "string") && harmless;
    return build<T>({ ...plan, clauses: [...plan.clauses, { action, path, repeatable, render }] });
  };
  const assign = (path: ItemPath, value: unknown, render: (at: string, value: string) => string) => {
    if (value === undefined) throw refused(String(path), "a value; remove() takes it away", value);
    const harmless = typeof value !== "function";
    return change("SET", path, harmless, (at, parts) => `${at} = ${render(at, operandText(parts, value))}`);
  };
  const join = (path: ItemPath, values: readonly unknown[], isBehind: boolean) => {
    if (!Array.isArray(values)) throw refused(`what joins ${path}`, "an array", values);
    return change("SET", path, false, (at, parts) => {
      const list = `if_not_exists(${at}, ${parts.value([])})`;
      const more = parts.value(values);
      return `${at} = list_append(${isBehind ? list : more}, ${isBehind ? more : list})`;
    });
  };
  const alter = (action: "ADD" | "DELETE", path: ItemPath, members: ReadonlySet<unknown>) => {
    if (!(members instanceof Set)) throw refused(`the members for ${path}`, "a Set", members);
    return change(action, path, true, (at, parts) => `${at} ${parts.value(members)}`);
  };
  return {
    set: (path, value) => assign(path, value, (_, text) => text),
    setIfAbsent: (path, value) => assign(path, value, (at, text) => `if_not_exists(${at}, ${text})`),
    increment(path, by = 1) {
      if (typeof by !== "number" && typeof by !== "bigint") throw refused("an increment", "a number", by);
      return change("SET", path, false, (at, parts) => {
        return `${at} = if_not_exists(${at}, ${parts.value(0)}) + ${parts.value(by)}`;
      });
    },
    append: (path, values) => join(path, values, true),
    prepend: (path, values) => join(path, values, false),
    remove: (path) => change("REMOVE", path, true),
    add: (path, members) => alter("ADD", path, members),
    delete: (path, members) => alter("DELETE", path, members),
    when: (condition) => build({ ...plan, conditions: [...plan.conditions, condition] }),
    returning(what) {
      if (!Object.hasOwn(returnValues, what)) throw refused("returning", '"new", "old" or "none"', what);
      return build({ ...plan, returning: what });
    },
    async run() {
      const { table, clauses, conditions, returning } = plan;
      const isHarmless = conditions.length === 0 && returning !== "old";
      const repeatable = isHarmless && clauses.every((clause) => clause.repeatable);
      const input = { ...updateInput(plan), ReturnValues: returnValues[returning] };
      return write<T>(table, "UpdateItem", input, { repeatable });
    },
    entry: () => ({ Update: { TableName: plan.table.name, ...updateInput(plan) } }),
  };
}

function updateInput({ key, clauses, conditions }: Plan): { Key: Attributes; UpdateExpression: string } {
  if (clauses.length === 0)
    throw new InvalidArgumentError("an update must change something; got no set() or other change");
  const expression = new Expression();
  const UpdateExpression = expression.render("update", (parts) =>
    (["SET", "REMOVE", "ADD", "DELETE"] as const)
      .flatMap((action) => {
        const texts = clauses
          .filter((clause) => clause.action === action)
          .map(({ path, render }) => render(parts.path(path), parts));
        return texts.length === 0 ? [] : [`${action} ${texts.join(", ")}`];
      })
      .join(" "),
  );
  const when = conditions.length === 0 ? undefined : and(...conditions);
  return { Key: key, UpdateExpression, ...guard(expression, when) };
}
