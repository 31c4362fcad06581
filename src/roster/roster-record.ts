import { CorruptRecordError } from "../core/errors.ts";
import { decodeJson, encodeJson } from "../core/json.ts";
import { areRemovals } from "./removal.ts";
import type { Entrant, Holder, Roster } from "./roster.ts";

const format = "roster/1";

/** The bytes of a roster's record. The name stands in it for people, and because long names are hashed in keys. */
export function encodeRoster(name: string, roster: Roster): Uint8Array {
  return encodeJson({ format, name, ...roster });
}

/** A roster with the name it belongs to. */
export interface NamedRoster {
  readonly name: string;
  readonly roster: Roster;
}

/** @throws CorruptRecordError when the bytes are not those of a roster. */
export function decodeRoster(key: string, value: Uint8Array): NamedRoster {
  const record = decodeJson(key, value) as Partial<Roster & { format: string; name: string }> | null;
  if (
    record?.format !== format ||
    typeof record.name !== "string" ||
    !isCount(record.fence) ||
    !isCount(record.capacity) ||
    !isList(record.holders, isHolder) ||
    !isList(record.waiters, isEntrant) ||
    !(record.removals === undefined || areRemovals(record.removals))
  ) {
    throw new CorruptRecordError(
      `the record under key ${key} is not a roster of the format ${format}; it begins ` +
        `${JSON.stringify(Buffer.from(value.subarray(0, 60)).toString("latin1"))}. Something else wrote to this key, ` +
        "or a newer leasehold did. Nothing was changed; use another namespace, or upgrade",
    );
  }
  const { name, fence, capacity, holders, waiters, removals, note } = record;
  return {
    name,
    roster: {
      ...{ fence, capacity, holders, waiters },
      ...(removals !== undefined && { removals }),
      ...(note !== undefined && { note }),
    },
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isList<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isItem);
}

function isEntrant(value: unknown): value is Entrant {
  const entrant = value as Partial<Entrant> | null;
  return (
    typeof entrant?.session === "string" &&
    isCount(entrant.ticket) &&
    isCount(entrant.weight) &&
    Number.isFinite(entrant.ttlMs) &&
    Number(entrant.ttlMs) > 0
  );
}

function isHolder(value: unknown): value is Holder {
  return (
    isEntrant(value) &&
    isCount((value as Partial<Holder>).fence) &&
    Number.isFinite((value as Holder).grantedAtMs) &&
    ((value as Holder).wants === undefined || isCount((value as Holder).wants))
  );
}
