// Goal: any name a user may choose becomes a key of safe characters that no other name shares.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  checkName,
  encodeName,
  encodeNamePrefix,
  keyCharsMax,
  recordKey,
  recordKeyPrefix,
} from "../../src/core/names.ts";

/** Names around every border: short, just below and above what is kept whole, and long. */
const names = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
    fc.string({
      unit: fc.constantFrom("a", "=", ".", "_", "-", "A", "F", "0", "é", "\0"),
      minLength: 1,
      maxLength: 100,
    }),
    fc.nat(260).map((length) => "a".repeat(length + 1)),
    fc
      .tuple(fc.constantFrom("a", "é", "💥"), fc.integer({ min: 60, max: 256 }))
      .map(([text, count]) => text.repeat(count)),
  )
  .filter((name) => name.isWellFormed() && new TextEncoder().encode(name).length <= 1_024);

test("an encoded name holds letters, digits and _ - = only, and at most 255 characters", () => {
  fc.assert(
    fc.property(names, (name) => {
      expect(encodeName(name)).toMatch(/^[A-Za-z0-9_=-]{1,255}$/);
    }),
    {
      numRuns: 2_000,
    },
  );
});

test("two names never share an encoding, also when one is made to look like the other's", () => {
  fc.assert(
    fc.property(names, names, (one, other) => {
      expect(encodeName(one) === encodeName(other)).toBe(one === other);
      // Encodings are names, too.
      expect(encodeName(encodeName(one)) === encodeName(other)).toBe(encodeName(one) === other);
    }),
    { numRuns: 2_000 },
  );
  const near = [
    "a",
    "A",
    "a ",
    " a",
    "=61",
    "=",
    "==",
    "a.b",
    "a=2Eb",
    "a/b",
    "a%2Fb",
    "é",
    "e\u0301",
    "\0",
    "​a",
  ];
  expect(new Set(near.map(encodeName)).size).toBe(near.length);
});

test("names that differ only behind the 64 bytes that are kept, or at the very end, have different encodings", () => {
  const long = Array.from({ length: 1_000 }, (_, index) => `${"é".repeat(200)}${index}`);
  expect(new Set(long.map(encodeName)).size).toBe(long.length);
  const lengths = Array.from({ length: 1_024 }, (_, index) => "x".repeat(index + 1));
  expect(new Set(lengths.map(encodeName)).size).toBe(lengths.length);
});

test("the encoding of a name stays the same for ever: records of earlier versions are found again", () => {
  expect(encodeName("invoice-42")).toBe("invoice-42");
  expect(encodeName("a.b c/é")).toBe("a=2Eb=20c=2F=C3=A9");
  expect(encodeName("x".repeat(255))).toBe("x".repeat(255));
  expect(encodeName("x".repeat(256))).toBe(`${"x".repeat(64)}==heYqzXUMTrVre2odZtylv6rF8GJgihqJNBDQKIk2wJo`);
});

test("a scan prefix begins every encoded name that begins with it", () => {
  fc.assert(
    fc.property(names, fc.double({ min: 0, max: 1, noNaN: true }), (name, part) => {
      const characters = [...name];
      const prefix = characters.slice(0, Math.floor(part * characters.length)).join("");
      expect(encodeName(name).startsWith(encodeNamePrefix(prefix))).toBe(true);
      expect(recordKey("ns", "kv", name).startsWith(recordKeyPrefix("ns", "kv", prefix))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("a scan prefix of up to 64 bytes finds no name that does not begin with it", () => {
  fc.assert(
    fc.property(names, fc.string({ unit: "grapheme", maxLength: 10 }), (name, prefix) => {
      fc.pre(prefix.isWellFormed() && new TextEncoder().encode(prefix).length <= 64);
      const found = encodeName(name).startsWith(encodeNamePrefix(prefix));
      expect(found).toBe(name.startsWith(prefix));
    }),
    { numRuns: 2_000 },
  );
});

test("keys of different namespaces, kinds and names never meet, and never grow past their limit", () => {
  const part = names;
  fc.assert(
    fc.property(part, part, part, part, (namespace, name, otherNamespace, otherName) => {
      const key = recordKey(namespace, "lock", name);
      expect(key.length).toBeLessThanOrEqual(keyCharsMax);
      const same = namespace === otherNamespace && name === otherName;
      expect(recordKey(otherNamespace, "lock", otherName) === key).toBe(same);
      expect(recordKey(namespace, "session", name)).not.toBe(key);
    }),
    { numRuns: 1_000 },
  );
});

test("names that are empty, too long, no text, or half a character are refused", () => {
  const bad = ["", "x".repeat(1_025), "é".repeat(513), "\ud800", "a\udfff", 5, null, undefined, {}, ["a"]];
  for (const name of bad) {
    expect(() => checkName("the name of a lock", name as string)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(/^the name of a lock must/),
      }),
    );
  }
  for (const name of ["a", "x".repeat(1_024), "💥".repeat(256), "\0", " ", "\n"]) checkName("a name", name);
});
