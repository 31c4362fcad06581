// Goal: the checker judges published histories of real systems as those who published them do, and reads what
// their formats allow.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../package/sources.ts";
import { judgeHistory } from "./histories/judge-history.ts";

const folder = join(root, "../shared/histories");
const list = join(folder, "verdicts.tsv");
const isThere = existsSync(list);
const absence = isThere ? "" : " (not run: ../shared/histories is absent)";
const verdicts: readonly string[] = ["linearizable", "not linearizable"];

function published(): readonly (readonly [name: string, verdict: string])[] {
  if (!isThere) return [];
  const lines = readFileSync(list, "utf8").split(/\r?\n/);
  return lines.flatMap((line) => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const [name = "", verdict = ""] = line.split("\t").map((field) => field.trim());
    return [[name, verdict] as const];
  });
}

describe("published histories", () => {
  test.skipIf(!isThere)(`there are some${absence}`, () => {
    expect(published().length).toBeGreaterThan(0);
  });

  test.each(published())("%s is %s", { timeout: 120_000 }, (name, verdict) => {
    expect(
      verdicts,
      `verdicts.tsv says ${JSON.stringify(verdict)} of ${name}, which is no verdict`,
    ).toContain(verdict);
    const found = judgeHistory(name, readFileSync(join(folder, name), "utf8"));
    expect(found.verdict, `${found.operations} operations, ${found.steps} steps`).toBe(verdict);
  });
});

describe("logs of Jepsen", () => {
  const log = (...lines: readonly string[]): string =>
    lines.map((line) => `INFO  jepsen.util - ${line.replaceAll(" ", "\t")}\n`).join("");
  const judge = (...lines: readonly string[]) =>
    judgeHistory("some.log", log(...lines).replace("[1\t2]", "[1 2]"));

  test("an empty log is linearizable, and so is one in which nothing was asked", () => {
    expect(judgeHistory("some.log", "")).toMatchObject({ verdict: "linearizable", operations: 0 });
    expect(judgeHistory("some.log", "INFO  jepsen.core - Everything looks good\n\n").operations).toBe(0);
  });

  test("the register holds nil at first", () => {
    expect(judge("0 :invoke :read nil", "0 :ok :read nil").verdict).toBe("linearizable");
    expect(judge("0 :invoke :read nil", "0 :ok :read 1").verdict).toBe("not linearizable");
  });

  test("a write without a known end may have happened, late, or not", () => {
    for (const end of [["0 :info :write :timed-out"], []]) {
      const calls = ["0 :invoke :write 1", ...end, "1 :invoke :read nil"];
      expect(judge(...calls, "1 :ok :read nil").verdict).toBe("linearizable");
      expect(judge(...calls, "1 :ok :read 1").verdict).toBe("linearizable");
      expect(judge(...calls, "1 :ok :read 2").verdict).toBe("not linearizable");
    }
  });

  test("a process whose call has no end may go on, under its own or a new number", () => {
    for (const process of [0, 5]) {
      const calls = ["0 :invoke :write 1", "0 :info :write :timed-out", `${process} :invoke :write 2`];
      const rest = [`${process} :ok :write 2`, "1 :invoke :read nil", "1 :ok :read 1"];
      expect(judge(...calls, ...rest).verdict).toBe("linearizable");
    }
    expect(judge("0 :invoke :write 1", "0 :invoke :write 2", "0 :ok :write 2").operations).toBe(2);
  });

  test("a write that failed did not happen", () => {
    const calls = ["0 :invoke :write 1", "0 :fail :write 1", "0 :invoke :read nil"];
    expect(judge(...calls, "0 :ok :read 1").verdict).toBe("not linearizable");
    expect(judge(...calls, "0 :ok :read nil").verdict).toBe("linearizable");
  });

  test("a compare-and-set that failed with its arguments found another value; with a reason, it tells nothing", () => {
    const calls = ["0 :invoke :write 1", "0 :ok :write 1", "0 :invoke :cas [1 2]"];
    expect(judge(...calls, "0 :fail :cas [1 2]").verdict).toBe("not linearizable");
    expect(judge(...calls, "0 :fail :cas :timed-out").verdict).toBe("linearizable");
    expect(judge(...calls, "0 :info :cas :timed-out").verdict).toBe("linearizable");
  });

  test("what cannot be read is refused, and not left out", () => {
    expect(() => judgeHistory("some.log", "0 :invoke :read nil\n")).toThrow(/line 1 cannot be read/);
    expect(() => judge("0 :ok :read nil")).toThrow(/never called/);
    expect(() => judge("0 :invoke :fly nil")).toThrow(/no model for a history of fly/);
  });
});

describe("lists of maps", () => {
  const judge = (text: string) => judgeHistory("some.edn", text).verdict;

  test("a mutex that two hold at a time is not linearizable", () => {
    const events = [
      "[{:process 0, :type :invoke, :f :acquire, :value nil}",
      "{:process 0, :type :ok, :f :acquire}",
    ];
    const others = ["{:type :info, :f :start, :process :nemesis}", "{:process 1 :type :invoke :f :acquire}"];
    expect(judge(`${[...events, ...others].join("\n")}]`)).toBe("linearizable");
    expect(judge(`${[...events, ...others, "{:process 1 :type :ok :f :acquire}"].join("\n")}]`)).toBe(
      "not linearizable",
    );
    expect(
      judge(`${[...events, ...others, "{:process 1 :type :fail :f :acquire :error :held}"].join(" ")}]`),
    ).toBe("linearizable");
  });

  test("a mutex is free after a release, though it may be of unknown outcome", () => {
    const events = [":invoke :f :acquire", ":ok :f :acquire", ":invoke :f :release", ":info :f :release"];
    const again = [":invoke :f :acquire", ":ok :f :acquire"];
    const text = [...events, ...again].map((event) => `{:process 3, :type ${event}}`).join("\n");
    expect(judge(text)).toBe("linearizable");
    expect(judge(text.replaceAll(":f :release", ":f :acquire"))).toBe("not linearizable");
  });

  test("a register is read with comments, and a read of nil tells nothing", () => {
    const events = [
      "{:type :invoke :f :write :value 0 :process 0} ; as of now 0",
      "{:type :ok :f :write :process 0}",
    ];
    const read = (value: string) =>
      `(${events.join("\n")} {:type :invoke :f :read :value nil :process 1} {:type :ok :f :read :value ${value} :process 1})`;
    expect(judge(read("0"))).toBe("linearizable");
    expect(judge(read("nil"))).toBe("linearizable");
    expect(judge(read("3"))).toBe("not linearizable");
  });

  test("texts keep what they quote, and keys are apart", () => {
    const call = (process: number, type: string, asked: string, key: string, value: string): string =>
      `{:process ${process}, :type ${type}, :f ${asked}, :key "${key}", :value ${value}}\n`;
    const text = String.raw`"a \"b\" {c}; \\"`;
    const put = call(0, ":invoke", ":put", "x", text) + call(0, ":ok", ":put", "x", text);
    const get = (key: string, value: string): string =>
      call(1, ":invoke", ":get", key, "nil") + call(1, ":ok", ":get", key, value);
    expect(judge(put + get("x", text) + get("y", '""'))).toBe("linearizable");
    expect(judge(put + get("x", '""'))).toBe("not linearizable");
    expect(judge(put + get("y", text))).toBe("not linearizable");
    // An append that nobody saw, and one that everybody saw in another order.
    const appends = call(0, ":invoke", ":append", "y", '"1"') + call(2, ":invoke", ":append", "y", '"2"');
    const ends = call(0, ":ok", ":append", "y", '"1"') + call(2, ":ok", ":append", "y", '"2"');
    expect(judge(appends + ends + get("y", '"21"'))).toBe("linearizable");
    expect(judge(appends + ends + get("y", '"1"'))).toBe("not linearizable");
    expect(judge(appends + get("y", '"1"') + get("y", '"12"'))).toBe("linearizable");
    expect(judge(appends + get("y", '"1"') + get("y", '"21"'))).toBe("not linearizable");
  });

  test("a text whose brackets do not match is refused", () => {
    expect(() => judge("[{:process 0, :type :invoke, :f :acquire}")).toThrow(/ends where a \] was expected/);
    expect(() => judge("{:process 0)}")).toThrow(/closes nothing/);
    expect(() => judge("[1]")).toThrow(/maps for events/);
  });
});
