import { AbortedError, CorruptRecordError } from "../core/errors.ts";
import { encodeName, recordKeyPrefix } from "../core/names.ts";
import {
  describeRosters,
  type FoundRoster,
  type Inspection,
  type InspectionContext,
} from "../roster/inspection.ts";
import type { RosterKind } from "../roster/roster-host.ts";
import { decodeRoster } from "../roster/roster-record.ts";

/** What is listed. */
export interface RosterSelection {
  /** What names begin with. */
  readonly prefix: string;
  readonly kinds: readonly RosterKind[];
  readonly signal: AbortSignal | undefined;
  /** Asked before each page. Throws when the coordinator is closed. */
  readonly check: () => void;
}

/** Records in a page: the sessions of all who stand there are read in the next request. */
const recordsPerPage = 100;
/** Damaged records that are named. */
const namedMax = 10;

/**
 * Everything of some kinds whose name begins with a prefix, a page at a time, in the order of the store's keys. A
 * damaged record stops nothing: when all others were told, the list ends with an error that names it.
 */
export async function* listRosters(
  context: InspectionContext,
  { prefix, kinds, signal, check }: RosterSelection,
): AsyncGenerator<Inspection, void, void> {
  const { backend, namespace } = context;
  const damaged: CorruptRecordError[] = [];
  let damagedCount = 0;
  const places = scanPrefixes(context, kinds, prefix);
  for (const place of places) {
    let cursor: string | undefined;
    do {
      if (signal?.aborted === true)
        throw new AbortedError("the caller aborted the list", { cause: signal.reason });
      check();
      const page = await backend.scan(place, {
        limit: recordsPerPage,
        ...(cursor !== undefined && { cursor }),
      });
      const found: FoundRoster[] = [];
      for (const { key, value } of page.records) {
        const kind = kinds.find((each) => key.startsWith(`${encodeName(namespace)}.${each}.`));
        if (kind === undefined) continue;
        try {
          const named = decodeRoster(key, value);
          // Of a long name the key holds only the beginning.
          if (named.name.startsWith(prefix)) found.push({ kind, ...named });
        } catch (error) {
          if (!(error instanceof CorruptRecordError)) throw error;
          damagedCount += 1;
          if (damaged.length < namedMax) damaged.push(error);
        }
      }
      yield* await describeRosters(context, found);
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
  if (damagedCount > 0) {
    throw new CorruptRecordError(
      `${damagedCount} of the records cannot be read; all others were listed. ${damaged.map(({ message }) => message).join(" ")}`,
      { cause: damaged[0] },
    );
  }
}

/** One scan for each kind where the store finds them by their key; else all is read once, whatever is asked for. */
function scanPrefixes(
  { backend, namespace }: InspectionContext,
  kinds: readonly RosterKind[],
  prefix: string,
): readonly string[] {
  if (backend.capabilities.orderedScan || kinds.length === 1) {
    return kinds.map((kind) => recordKeyPrefix(namespace, kind, prefix));
  }
  return [`${encodeName(namespace)}.`];
}
