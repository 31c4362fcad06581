import { nameBytesMax } from "../core/names.ts";
import type { RosterName } from "../roster/roster-host.ts";
import { notSupported } from "./dom-errors.ts";

/** Begins what stands for a name that no roster can have. A legal name never begins so. */
const mark = "-";

/**
 * The roster behind a lock's name. The standard takes any string: also the empty one, and halves of surrogate pairs,
 * which UTF-8 would make the same.
 *
 * @throws DOMException NotSupportedError for a name that is reserved, or too long for a store.
 */
export function rosterOf(name: string): RosterName {
  if (name.startsWith(mark)) {
    throw notSupported(
      `the name of a lock must not begin with "-"; got ${JSON.stringify(name.slice(0, 40))}`,
    );
  }
  const isPlain = name.length > 0 && name.isWellFormed();
  const rosterName = isPlain ? name : `${mark}${JSON.stringify(name)}`;
  const bytes = Buffer.byteLength(rosterName);
  if (bytes > nameBytesMax) {
    throw notSupported(`the name of a lock takes at most ${nameBytesMax} bytes of UTF-8; got ${bytes}`);
  }
  return { kind: "web-lock", name: rosterName, isShared: true };
}

/** The lock's name that a roster stands for. */
export function lockNameOf(rosterName: string): string {
  return rosterName.startsWith(mark) ? (JSON.parse(rosterName.slice(mark.length)) as string) : rosterName;
}
