// Goal: the rates of the command line are read as people write them, and what cannot be meant is told with its remedy.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { failureOf } from "../../src/cli/failure.ts";
import { parseRates, type RateOptions } from "../../src/cli/rate-option.ts";
import { createCoordinator, type Policy } from "../../src/index.ts";

const names = (policies: readonly Policy[]) =>
  createCoordinator(memoryBackend())
    .rateLimiter("x", { policies })
    .policies.map(({ name, algorithm, burst, timeZone }) => [name, algorithm, burst, timeZone]);

test("rates over a length of time are token buckets, or what was asked for; those of the calendar follow it", () => {
  expect(names(parseRates({ rate: ["10/1m", "100/1.5h", "1000/day"] }))).toEqual([
    ["10/1m", "token-bucket", 10, undefined],
    ["100/90m", "token-bucket", 100, undefined],
    ["1000/day", "calendar-window", 1_000, "UTC"],
  ]);
  const rate = ["10/500ms", "9/month"];
  expect(names(parseRates({ rate, burst: "20", timeZone: "Europe/Berlin" }))).toEqual([
    ["10/500ms", "token-bucket", 20, undefined],
    ["9/month", "calendar-window", 9, "Europe/Berlin"],
  ]);
  expect(names(parseRates({ rate, algorithm: "sliding-window" }))[0]?.[1]).toBe("sliding-window");
});

const cases: readonly (readonly [what: string, options: RateOptions, message: RegExp])[] = [
  ["no rates", {}, /needs a rate, as --rate 10\/1m/],
  ["a rate without a time", { rate: ["10"] }, /must be a whole number and a time, such as .*; got "10"/],
  ["a rate of a fraction", { rate: ["1.5/1m"] }, /must be a whole number and a time/],
  ["a rate below zero", { rate: ["-1/1m"] }, /must be a whole number and a time/],
  ["a rate of a word", { rate: ["ten/day"] }, /must be a whole number and a time/],
  ["a rate beyond 2^40", { rate: ["1099511627777/1m"] }, /from 1 to 2\^40; got 1099511627777/],
  ["a unit alone", { rate: ["10/m"] }, /needs a length of time: write 10\/1m; got "10\/m"/],
  ["a time without a unit", { rate: ["10/60"] }, /the time in --rate 10\/60 must be a length of time/],
  ["a time of nothing", { rate: ["10/0s"] }, /from 10ms to 366d .*; got "0s"/],
  ["a time beyond a year", { rate: ["10/367d"] }, /from 10ms to 366d .*; got "367d"/],
  ["a unit that is none", { rate: ["10/fortnight"] }, /must be a length of time .*; got "fortnight"/],
  ["the same rate twice", { rate: ["10/1m", "10/60s"] }, /needs a name of its own/],
  ["nine rates", { rate: "123456789".split("").map((n) => `${n}/1m`) }, /1 to 8 policies.*got 9 of them/],
  ["an unknown algorithm", { rate: ["1/1m"], algorithm: "leaky" }, /one of token-bucket, .*; got "leaky"/],
  ["an algorithm for a calendar", { rate: ["1/day"], algorithm: "fixed-window" }, /--algorithm and --burst/],
  ["a burst of a window", { rate: ["1/1m"], algorithm: "fixed-window", burst: "2" }, /burst belongs to a to/],
  ["a burst of which rate", { rate: ["1/1m", "9/1h"], burst: "2" }, /--burst goes with one rate/],
  ["a burst that is none", { rate: ["1/1m"], burst: "many" }, /--burst must be a whole number/],
  ["a zone without a calendar", { rate: ["1/1m"], timeZone: "UTC" }, /--time-zone belongs to rates of the/],
  ["an unknown zone", { rate: ["1/day"], timeZone: "Mars" }, /IANA time zone.*got "Mars"/],
];

test.each(cases)("%s is refused with exit code 64", (_what, options, message) => {
  let failure: unknown;
  try {
    names(parseRates(options));
  } catch (error) {
    failure = error;
  }
  expect(failureOf(failure, {})).toEqual({ exitCode: 64, message: expect.stringMatching(message) });
});
