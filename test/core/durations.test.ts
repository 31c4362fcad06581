// Goal: a duration is what it says in milliseconds, or is refused with a message that names the option.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Duration, describe as describeValue, parseDuration } from "../../src/core/durations.ts";

const refused = { code: "INVALID_ARGUMENT" };

test("numbers are milliseconds, and text carries its unit", () => {
  const forms: readonly (readonly [Duration, number])[] = [
    [0, 0],
    [-0, 0],
    [1.5, 1.5],
    ["0ms", 0],
    ["500ms", 500],
    ["5s", 5_000],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
    ["007s", 7_000],
  ];
  for (const [form, milliseconds] of forms)
    expect(parseDuration("wait", form), String(form)).toBeCloseTo(milliseconds);
});

test("negative numbers, NaN, infinities and text of another form are refused by default", () => {
  const values = [
    -1,
    -Number.MIN_VALUE,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.MAX_VALUE,
    "",
    "5",
    "5 s",
    " 5s",
    "5s ",
    "5s\n",
    "-5s",
    "+5s",
    ".5s",
    "5.s",
    "1e3ms",
    "5S",
    "5sec",
    "5µs",
    "٥s",
    "Infinity",
    "NaNms",
    `${"9".repeat(400)}ms`,
    "5__proto__",
    null,
    undefined,
    {},
    [],
    [5],
    5n,
    true,
    Symbol("5s"),
    new Date(5),
    Object.create(null),
    {
      toString() {
        throw new Error("not to be called");
      },
    },
  ];
  for (const value of values) {
    expect(() => parseDuration("wait", value as Duration)).toThrow(expect.objectContaining(refused));
    expect(() => parseDuration("wait", value as Duration)).toThrow(/^wait must be a duration from 0 ms/);
  }
});

test("a range is inclusive, and Infinity is accepted where it is allowed, as a number only", () => {
  const range = { minMs: 10, maxMs: 20, infinite: true };
  for (const inside of [10, 15, 20, "10ms", "0.02s"] as const) parseDuration("ttl", inside, range);
  for (const outside of [9.999, 20.001, "1s", -1, Number.NaN, Number.NEGATIVE_INFINITY] as const) {
    expect(() => parseDuration("ttl", outside, range)).toThrow(/from 10 ms to 20 ms or Infinity/);
  }
  expect(() => parseDuration("ttl", -1)).toThrow(/from 0 ms to 36500d, /);
  expect(() => parseDuration("ttl", 5n as never)).toThrow(/got 5n$/);
  expect(parseDuration("ttl", Number.POSITIVE_INFINITY, range)).toBe(Number.POSITIVE_INFINITY);
});

test("the message recommends only what would be accepted", () => {
  const ttl = { minMs: 100, maxMs: 86_400_000 };
  expect(() => parseDuration("ttl", "7d", ttl)).toThrow(/text such as "500ms", "5s", "2m", "1h"; got "7d"/);
});

test("every non-negative number of any unit is that many milliseconds, and nothing else ever comes out", () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
  const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]));
  fc.assert(
    fc.property(fc.nat(30_000), unit, (count, unit) => {
      expect(parseDuration("wait", `${count}${unit}`)).toBe(count * units[unit]);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.string(), fc.anything({ withNullPrototype: true })), (value) => {
      try {
        const milliseconds = parseDuration("wait", value as Duration);
        expect(Number.isFinite(milliseconds) && milliseconds >= 0).toBe(true);
      } catch (error) {
        expect(error).toMatchObject(refused);
      }
    }),
  );
});

test("a refused value is shown shortened, whatever it is", () => {
  expect(describeValue("x".repeat(1_000)).length).toBeLessThan(90);
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }), (value) => {
      expect(describeValue(value).length).toBeLessThanOrEqual(81);
    }),
  );
});
