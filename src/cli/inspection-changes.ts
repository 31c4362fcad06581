import type { Inspection, Participant } from "../index.ts";

/** What was in use at one look, by kind and name. */
export type Snapshot = ReadonlyMap<string, Inspection>;

/** What became of one of them between two looks. */
export interface InspectionChange {
  readonly change: "appeared" | "changed" | "gone";
  /** As it is now; of what is gone: as it was. */
  readonly inspection: Inspection;
}

/** What changed between two looks, apart from heartbeats. */
export function compareSnapshots(before: Snapshot, after: Snapshot): readonly InspectionChange[] {
  const changes: InspectionChange[] = [];
  for (const [key, inspection] of after) {
    const earlier = before.get(key);
    if (earlier === undefined) changes.push({ change: "appeared", inspection });
    else if (fingerprint(earlier) !== fingerprint(inspection))
      changes.push({ change: "changed", inspection });
  }
  for (const [key, inspection] of before) {
    if (!after.has(key)) changes.push({ change: "gone", inspection });
  }
  return changes;
}

function fingerprint({ holders, waiters, ...rest }: Inspection): string {
  const lasting = ({ lastBeatAt: _, ...participant }: Participant): object => participant;
  return JSON.stringify([rest, holders.map(lasting), waiters.map(lasting)]);
}
