// Goal: limits, cursors, JSON records and listeners, which backends share, hold at their borders.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Capabilities, ChangeHint, Operation } from "../../src/core/backend.ts";
import { decodeJson, encodeJson } from "../../src/core/json.ts";
import { decodeKeyCursor, encodeKeyCursor } from "../../src/core/key-cursor.ts";
import { checkKey, checkOperations } from "../../src/core/limits.ts";
import { PrefixListeners } from "../../src/core/prefix-listeners.ts";

const capabilities: Capabilities = {
  scope: "process",
  commitOperationsMax: 3,
  wake: false,
  watch: "none",
  orderedScan: true,
  keyBytesMax: 10,
  valueBytesMax: 20,
};
const put = (key: string, bytes = 1): Operation => ({ kind: "put", key, value: new Uint8Array(bytes) });
const check = (...operations: readonly Operation[]) => checkOperations("test", capabilities, operations);

test("operations at every limit pass, and one beyond is refused with the limit and what came", () => {
  check(put("0123456789", 20), { kind: "delete", key: "b" }, { kind: "check", key: "c", expect: null });
  expect(() => check(put("0123456789a"))).toThrow(/keys of at most 10 bytes; got 11/);
  expect(() => check({ kind: "delete", key: "0123456789a" })).toThrow(
    expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
  );
  expect(() => check(put("a", 21))).toThrow(/values of at most 20 bytes; got 21 for a/);
  expect(() => check(put("a"), put("b"), put("c"), put("d"))).toThrow(/at most 3 operations at once; got 4/);
  const single = { ...capabilities, commitOperationsMax: 1 };
  expect(() => checkOperations("test", single, [put("a"), put("b")])).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED" }),
  );
});

test("no operation, a key that stands twice, and a key outside the alphabet are bugs of the caller", () => {
  expect(() => check()).toThrow(/invariant/);
  expect(() => check(put("a"), { kind: "check", key: "a", expect: null })).toThrow(/invariant/);
  const legal = /^[A-Za-z0-9_=.-]+$/;
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 10 }), (key) => {
      if (legal.test(key)) checkKey("test", capabilities, key);
      else expect(() => checkKey("test", capabilities, key)).toThrow(/invariant/);
    }),
  );
  for (const key of ["a\n", "\na", "a b", "é", "a\u0660", "\u212a"]) {
    expect(() => checkKey("test", capabilities, key), key).toThrow(/invariant/);
  }
});

test("a cursor leads back to its key, and one of another scan or of nothing is refused", () => {
  const key = fc.stringMatching(/^[A-Za-z0-9_=.-]{1,30}$/);
  fc.assert(
    fc.property(key, fc.nat(30), (lastKey, length) => {
      const prefix = lastKey.slice(0, length);
      expect(decodeKeyCursor(prefix, encodeKeyCursor(lastKey))).toBe(lastKey);
      expect(() => decodeKeyCursor(`${lastKey}!`, encodeKeyCursor(lastKey))).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }),
  );
  for (const cursor of ["", "after:", "a", "AFTER:a", " after:a"]) {
    expect(() => decodeKeyCursor("", cursor), cursor).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
});

test("JSON survives its encoding, and bytes that are not JSON are called corrupt with their beginning", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(decodeJson("k", encodeJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  for (const bytes of [
    Buffer.from(""),
    Buffer.from("{"),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('"\xff"', "latin1"),
  ]) {
    expect(() => decodeJson("the.key", bytes)).toThrow(
      expect.objectContaining({ code: "CORRUPT_RECORD", message: expect.stringContaining("the.key") }),
    );
  }
  expect(() => decodeJson("k", Buffer.from("\u0000hello"))).toThrow(/\\u0000hello/);
});

test("listeners hear exactly the keys that begin with their prefix, however many others listen", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 30 }), text, async (prefixes, key) => {
      const listeners = new PrefixListeners();
      const heard: string[] = [];
      const stops = prefixes.map((prefix) => listeners.add(prefix, () => heard.push(prefix)));
      const expected = prefixes.filter((prefix) => key.startsWith(prefix)).sort();
      expect(listeners.hears(key)).toBe(expected.length > 0);
      listeners.notify({ key });
      expect(heard, "nobody is called synchronously").toEqual([]);
      await Promise.resolve();
      expect(heard.sort()).toEqual(expected);
      for (const stop of [...stops, ...stops]) stop();
      expect(listeners.isEmpty).toBe(true);
    }),
  );
});

test("a listener that unsubscribes hears nothing more, not even what is on its way, and others do", async () => {
  const listeners = new PrefixListeners();
  const [first, second]: [ChangeHint[], ChangeHint[]] = [[], []];
  const stop = listeners.add("a", (hint) => first.push(hint));
  listeners.add("a", (hint) => second.push(hint));
  listeners.notify({ key: "a.b" });
  stop();
  await Promise.resolve();
  expect([first, second]).toEqual([[], [{ key: "a.b" }]]);
  listeners.notify({ key: "a.b" });
  listeners.clear();
  await Promise.resolve();
  expect(second).toHaveLength(1);
});
