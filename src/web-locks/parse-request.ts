import { describe } from "../core/durations.ts";
import type { RosterName } from "../roster/roster-host.ts";
import { notSupported } from "./dom-errors.ts";
import type { WebLock, WebLockMode } from "./lock-manager.ts";
import { rosterOf } from "./lock-name.ts";

/** What a call of `request` asks for. */
export interface ParsedRequest {
  readonly name: string;
  readonly target: RosterName;
  readonly mode: WebLockMode;
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly signal: AbortSignal | undefined;
  readonly callback: (lock: WebLock | null) => unknown;
}

/**
 * Takes the arguments as a browser does: it converts what can be converted, ignores members that it does not know, and
 * checks in the order of the standard.
 *
 * @throws TypeError, DOMException NotSupportedError as the standard says.
 */
export function parseRequest(values: readonly unknown[]): ParsedRequest {
  if (values.length < 2) {
    throw new TypeError(`request needs a name and a callback; got ${values.length} of them`);
  }
  // A symbol throws here, as the standard wants.
  const name = `${values[0] as string}`;
  const callback = values.length === 2 || values[2] === undefined ? values[1] : values[2];
  if (typeof callback !== "function") {
    throw new TypeError(`request needs a function to call with the lock; got ${describe(callback)}`);
  }
  const { mode, ifAvailable, steal, signal } = parseOptions(callback === values[1] ? undefined : values[1]);
  const target = rosterOf(name);
  if (steal && ifAvailable) throw notSupported("steal and ifAvailable exclude one another: choose one");
  if (steal && mode !== "exclusive") throw notSupported('steal is for locks of the mode "exclusive" only');
  if (signal !== undefined && (steal || ifAvailable)) {
    throw notSupported("signal ends a wait, and neither steal nor ifAvailable waits: leave it out");
  }
  const parsed = { name, target, mode, ifAvailable, steal, signal };
  return { ...parsed, callback: callback as ParsedRequest["callback"] };
}

function parseOptions(value: unknown): Pick<ParsedRequest, "mode" | "ifAvailable" | "steal" | "signal"> {
  if (value !== undefined && value !== null && typeof value !== "object" && typeof value !== "function") {
    throw new TypeError(`the options of request must be an object; got ${describe(value)}`);
  }
  const options = (value ?? {}) as Readonly<Record<string, unknown>>;
  // In the order in which a browser reads them.
  const ifAvailable = Boolean(options.ifAvailable);
  const mode = options.mode === undefined ? "exclusive" : `${options.mode as string}`;
  if (mode !== "exclusive" && mode !== "shared") {
    throw new TypeError(`mode must be "exclusive" or "shared"; got ${describe(options.mode)}`);
  }
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal; got ${describe(signal)}`);
  }
  return { mode, ifAvailable, steal: Boolean(options.steal), signal };
}
