import type { InspectedHolder, Inspection, Participant } from "../index.ts";
import { formatTable, printable } from "./output.ts";

/** The heads of {@link inspectionRow}. */
export const inspectionHeads = ["KIND", "NAME", "HELD BY", "SINCE", "FENCE", "WAITING"] as const;

/** Whether somebody holds it or waits for it. */
export function isInUse({ holders, waiters }: Inspection): boolean {
  return holders.length + waiters.length > 0;
}

/** One line of a table for people. */
export function inspectionRow(inspection: Inspection): readonly string[] {
  const { kind, name, holders, waiters } = inspection;
  const [first] = holders;
  const others = holders.length > 1 ? ` and ${holders.length - 1} more` : "";
  return [
    kind,
    name,
    first === undefined ? "-" : `${who(first)}${others}`,
    first === undefined ? "-" : moment(first.grantedAt),
    String(first?.fence ?? inspection.fence),
    String(waiters.length),
  ];
}

/** A table of them for people. */
export function inspectionTable(inspections: readonly Inspection[]): string {
  return formatTable(inspectionHeads, inspections.map(inspectionRow));
}

/** Everything about one of them, for people. */
export function inspectionText(inspection: Inspection): string {
  const { kind, name, fence, capacity, holders, waiters, forcedReleases } = inspection;
  const lines = [
    `${kind} ${JSON.stringify(name)}: capacity ${capacity}, last fence ${fence}`,
    ...(holders.length === 0 ? ["held by nobody"] : holders.map((holder) => `held by ${heldBy(holder)}`)),
    ...waiters.map((waiter, index) => `waiting, ${index + 1}: ${who(waiter)}${more(waiter)}`),
    ...forcedReleases.map(
      ({ by, reason, at, fences }) =>
        `released by force at ${moment(at)} by ${by}: ${reason} (fence ${fences.join(", ") || "of nobody"})`,
    ),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** A moment as people write it, to the second. */
export function moment(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

function heldBy(holder: InspectedHolder): string {
  return `${who(holder)} since ${moment(holder.grantedAt)}, fence ${holder.fence}${more(holder)}`;
}

/** `web-1/4242 (billing)`; the hint of death is by wall clocks. */
function who({ client, session, isOverdue }: Participant): string {
  const name = client?.name === undefined ? "" : ` (${client.name})`;
  const place =
    client === null ? `a session that is gone (${session})` : `${client.host}/${client.pid}${name}`;
  return `${place}${isOverdue ? ", looks dead" : ""}`;
}

function more({ weight, metadata }: Participant): string {
  const share = weight === 1 ? "" : `, weight ${weight}`;
  return `${share}${metadata === undefined ? "" : `, ${JSON.stringify(metadata)}`}`;
}
