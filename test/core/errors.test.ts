// Goal: every error can be told apart by its code and by instanceof, also between two copies of the package.
import { expect, test } from "vitest";
import * as errors from "../../src/core/errors.ts";

type ErrorClass = new (message: string, details?: { cause?: unknown }) => errors.LeaseholdError;

const classes = Object.entries(errors).filter(
  ([name]) => name !== "LeaseholdError",
) as unknown as readonly (readonly [string, ErrorClass])[];

test("an error has its class's name and code, its message, its cause, and a stack", () => {
  expect(classes.length).toBeGreaterThanOrEqual(15);
  const codes = new Set<string>();
  for (const [name, Class] of classes) {
    const cause = new Error("underneath");
    const error = new Class("what happened", { cause });
    expect(error).toMatchObject({ name, message: "what happened", cause });
    expect(error.code).toBe((Class as unknown as { code: string }).code);
    expect(error.code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(error.stack).toContain("errors.test");
    expect(new Class("m").cause).toBeUndefined();
    codes.add(error.code);
  }
  expect(codes.size).toBe(classes.length);
});

test("only errors that may pass by themselves are retryable", () => {
  const retryable = classes.filter(([, Class]) => new Class("m").retryable).map(([name]) => name);
  expect(retryable.sort()).toEqual([
    "AcquireTimeoutError",
    "ContentionError",
    "InProgressError",
    "OutcomeUnknownError",
    "UnavailableError",
  ]);
});

test("instanceof holds for the class and the base, and for no other", () => {
  for (const [name, Class] of classes) {
    const error = new Class("m");
    expect(error instanceof Error && error instanceof errors.LeaseholdError).toBe(true);
    const matching = classes.filter(([, Other]) => error instanceof Other).map(([other]) => other);
    expect(matching).toEqual([name]);
  }
});

test("instanceof holds between two copies of the package, in both directions", async () => {
  const copy = (await import("../../src/core/errors.ts?copy" as string)) as typeof errors;
  expect(copy.ClosedError).not.toBe(errors.ClosedError);
  const theirs = new copy.ClosedError("m");
  expect(theirs instanceof errors.ClosedError).toBe(true);
  expect(theirs instanceof errors.LeaseholdError).toBe(true);
  expect(theirs instanceof errors.UnavailableError).toBe(false);
  expect(new errors.ClosedError("m") instanceof copy.ClosedError).toBe(true);
});

test("instanceof is false for everything that is no error of ours", () => {
  const others = [
    null,
    undefined,
    0,
    "CLOSED",
    Symbol("x"),
    {},
    [],
    () => 0,
    new Error("CLOSED"),
    { code: "CLOSED" },
  ];
  for (const other of others) {
    expect(other instanceof errors.LeaseholdError).toBe(false);
    expect(other instanceof errors.ClosedError).toBe(false);
  }
});
