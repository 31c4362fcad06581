import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Sends a signal to a process, or with a negative number to its group. Answers whether anybody was there. */
export function sendSignal(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    // EPERM: it is there, and has become somebody else, as a set-user-id program does.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Whether a process group has a member that can still do something. A member that has ended but that nobody
 * collected, as it happens in containers without an init, does not count.
 */
export function isGroupAlive(group: number): boolean {
  if (!sendSignal(-group, 0)) return false;
  if (process.platform !== "linux") return true;
  const statuses = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((id) => parseProcessStatus(readStatus(id)));
  return statuses.some((status) => status?.group === group && !"ZX".includes(status.state));
}

/** The fields of `/proc/ID/stat` that matter here. The name before them may hold spaces and parentheses. */
export function parseProcessStatus(
  text: string,
): { readonly state: string; readonly group: number } | undefined {
  const [state, , group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === undefined || group === undefined ? undefined : { state, group: Number(group) };
}

function readStatus(id: string): string {
  try {
    return readFileSync(`/proc/${id}/stat`, "latin1");
  } catch {
    // It ended between the listing and the look.
    return "";
  }
}

/** How long the list of processes may take: it is asked for when the time is short. */
const listingMaxMs = 500;

/** A process and all that it started, as far as they have not been handed over to another parent. */
export function withDescendants(root: number): readonly number[] {
  const listing = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8", timeout: listingMaxMs });
  return [root, ...descendantsOf(root, listing.stdout ?? "")];
}

/** Finds the descendants of a process in lines of `PID PARENT`. */
export function descendantsOf(root: number, listing: string): readonly number[] {
  const children = new Map<number, number[]>();
  for (const line of listing.split("\n")) {
    const [id = Number.NaN, parent = Number.NaN] = line.trim().split(/\s+/).map(Number);
    if (id > 0 && id !== parent) children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const found: number[] = [];
  const next = [root];
  for (let id = next.pop(); id !== undefined; id = next.pop()) {
    const born = (children.get(id) ?? []).filter((child) => !found.includes(child));
    found.push(...born);
    next.push(...born);
  }
  return found;
}
