// Goal: a form with * and ? takes the keys that it says, in time that no key and no form can stretch.
import fc from "fast-check";
import { expect, test } from "vitest";
import { literalPrefix, matchesWildcard } from "../../src/kv/wildcard.ts";

test.each([
  ["user:*", "user:", true],
  ["user:*", "user:1", true],
  ["user:*", "use", false],
  ["*:1", "user:1", true],
  ["*:1", "user:12", false],
  ["a?c", "abc", true],
  ["a?c", "ac", false],
  ["?", "😀", true],
  ["*a*b*", "xxaxxbxx", true],
  ["*a*b*", "xxbxxaxx", false],
  ["", "", true],
  ["", "a", false],
])("%j and %j: %s", (form, key, expected) => {
  expect(matchesWildcard(form, key)).toBe(expected);
});

test("it agrees with a regular expression", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
  const forms = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(forms, letters, (form, key) => {
      const pattern = form.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
      expect(matchesWildcard(form, key)).toBe(new RegExp(`^${pattern}$`).test(key));
      if (matchesWildcard(form, key)) expect(key.startsWith(literalPrefix(form))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("many stars over a long key that does not fit take no time to speak of", () => {
  expect(matchesWildcard(`${"*a".repeat(50)}b`, "a".repeat(20_000))).toBe(false);
});
