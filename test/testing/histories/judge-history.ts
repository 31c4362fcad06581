import {
  checkLinearizability,
  type HistoryEntry,
  type LinearizabilityVerdict,
} from "../../../src/testing/linearizability.ts";
import { type Edn, textOfEdn } from "./edn.ts";
import { type LoggedOperation, pairEvents, readEdnHistory, readJepsenLog } from "./events.ts";
import {
  type MutexOperation,
  mutexModel,
  type RegisterOperation,
  registerModel,
  type TextOperation,
  textModel,
} from "./models.ts";

/** How a history was judged, and how long it is. */
export interface Judgement {
  readonly verdict: LinearizabilityVerdict<unknown, unknown>["verdict"];
  readonly operations: number;
  readonly steps: number;
}

/**
 * Reads the text of a history and judges it. A file whose name ends in `.log` is a log of Jepsen, any other a list
 * of maps; what is in it says which object it is about.
 *
 * @throws Error when it is about none that is known, or cannot be read.
 */
export function judgeHistory(name: string, text: string): Judgement {
  const isLog = name.endsWith(".log");
  const operations = pairEvents(isLog ? readJepsenLog(text) : readEdnHistory(text));
  const found = judge(operations, isLog ? "etcd" : "knossos");
  return { verdict: found.verdict, operations: operations.length, steps: found.steps };
}

/**
 * How a history of a register is to be read. In the logs of etcd, a compare-and-set that found another value fails
 * with its own arguments, which is an answer (with a reason, such as `:timed-out`, it did not happen); and a read of
 * nil found nothing written. Knossos takes every failure as something that did not happen, and a read of nil as one
 * whose result nobody knows.
 */
type Dialect = "etcd" | "knossos";

function judge(operations: readonly LoggedOperation[], dialect: Dialect) {
  const asked = [...new Set(operations.map((operation) => operation.asked))];
  const isAbout = (...known: readonly string[]): boolean => asked.every((word) => known.includes(word));
  if (isAbout("read", "write", "cas")) {
    const history = operations.flatMap((operation) => registerEntry(operation, dialect));
    return checkLinearizability(registerModel(textOfEdn(null)), history);
  }
  if (isAbout("get", "put", "append")) {
    const history = operations.flatMap(textEntry);
    const seen = history.flatMap(({ operation }) =>
      operation.kind === "get" && operation.value !== undefined ? [operation.value] : [],
    );
    return checkLinearizability(textModel(seen), history, { partition: ({ key }) => key });
  }
  if (isAbout("acquire", "release")) return checkLinearizability(mutexModel, operations.flatMap(mutexEntry));
  throw new Error(`no model for a history of ${asked.join(", ")}`);
}

/** What failed did not happen. */
function entryOf<Operation>(
  { calledAt, returnedAt, outcome }: LoggedOperation,
  operation: Operation,
): readonly HistoryEntry<Operation>[] {
  return outcome === "fail" ? [] : [{ operation, calledAt, returnedAt }];
}

function registerEntry(
  logged: LoggedOperation,
  dialect: Dialect,
): readonly HistoryEntry<RegisterOperation>[] {
  const { asked, argument, outcome, value } = logged;
  if (asked === "write") return entryOf(logged, { kind: "write", value: textOfEdn(argument) });
  if (asked === "read") {
    const isKnown = outcome === "ok" && (value !== null || dialect === "etcd");
    return entryOf(logged, { kind: "read", value: isKnown ? textOfEdn(value) : undefined });
  }
  const [from = null, to = null] = argument as readonly Edn[];
  const operation = { kind: "cas", from: textOfEdn(from), to: textOfEdn(to) } as const;
  if (outcome === "fail" && dialect === "etcd" && Array.isArray(value)) {
    return entryOf({ ...logged, outcome: "ok" }, { ...operation, done: false });
  }
  return entryOf(logged, { ...operation, done: outcome === "ok" ? true : undefined });
}

function textEntry(logged: LoggedOperation): readonly HistoryEntry<TextOperation>[] {
  const { asked, argument, outcome, value } = logged;
  const key = textOfEdn(logged.key);
  if (asked !== "get")
    return entryOf(logged, { key, kind: asked as "put" | "append", value: plainText(argument) });
  return entryOf(logged, { key, kind: "get", value: outcome === "ok" ? plainText(value) : undefined });
}

function plainText(value: Edn): string {
  if (value === null) return "";
  return typeof value === "object" && "text" in value ? value.text : textOfEdn(value);
}

function mutexEntry(logged: LoggedOperation): readonly HistoryEntry<MutexOperation>[] {
  return entryOf(logged, { kind: logged.asked as MutexOperation["kind"] });
}
