import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";

/** Bits of an id below its time: worker and counter. */
const lowBits = 22;
const timeBits = 41;
/** 1 January 2025. The same for all ids for ever, or they would not be in order of time. */
export const epochMs = Date.UTC(2025, 0, 1);
/** The first millisecond that an id cannot hold any more, in September 2094. */
export const endMs = epochMs + 2 ** timeBits;
/** Base 32 with the digits 0-9 and a-v: texts of the same length are in the order of their ids. */
const radix = 32;
const textChars = 13;
const textPattern = /^[0-7][0-9a-v]{12}$/;

/** What an id is made of. */
export interface IdParts {
  /** When it was made, on the store's clock; at most some seconds ahead of it. */
  readonly at: Date;
  /** Who made it. */
  readonly worker: number;
  /** How many that worker had made before in the same millisecond. */
  readonly counter: number;
}

/** The largest counter beside a worker of so many bits. */
export function counterMax(workerBits: number): number {
  return 2 ** (lowBits - workerBits) - 1;
}

/** The id with the counter 0. */
export function firstId(timeMs: number, worker: number, workerBits: number): bigint {
  return (BigInt(timeMs - epochMs) << BigInt(lowBits)) | (BigInt(worker) << BigInt(lowBits - workerBits));
}

/** An id as 13 characters, which sort as the ids do. @throws InvalidArgumentError for what is no id. */
export function formatId(id: bigint): string {
  if (typeof id !== "bigint" || id < 0n || id >= 1n << 63n) {
    throw new InvalidArgumentError(`an id is a bigint from 0 to 2^63 - 1; got ${describe(id)}`);
  }
  return id.toString(radix).padStart(textChars, "0");
}

/** Takes an id apart. @throws InvalidArgumentError for what is no id. */
export function parseId(id: bigint | string, workerBits: number): IdParts {
  const value = typeof id === "string" ? fromText(id) : id;
  formatId(value);
  const low = Number(value & ((1n << BigInt(lowBits)) - 1n));
  const counters = counterMax(workerBits) + 1;
  return {
    at: new Date(Number(value >> BigInt(lowBits)) + epochMs),
    worker: Math.floor(low / counters),
    counter: low % counters,
  };
}

function fromText(text: string): bigint {
  if (!textPattern.test(text)) {
    throw new InvalidArgumentError(
      `an id is ${textChars} characters 0-9 and a-v as text; got ${describe(text)}`,
    );
  }
  let id = 0n;
  for (const digit of text) id = id * BigInt(radix) + BigInt(Number.parseInt(digit, radix));
  return id;
}
