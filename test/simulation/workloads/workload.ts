import type { Client } from "../client.ts";
import type { Theme } from "../stage.ts";

/** Something that a client does with the library, from beginning to end. `place` names it for the choices. */
export interface Workload {
  readonly name: string;
  /** The worlds in which it is done. Left out: in all of them. */
  readonly themes?: readonly Theme[];
  run(client: Client, place: string): Promise<void>;
}

/** Those that are done in worlds of a theme; all of them, where none of them belongs there. */
export function mixOf(theme: Theme, workloads: readonly Workload[]): readonly Workload[] {
  const fitting = workloads.filter(({ themes }) => themes?.includes(theme) ?? true);
  return fitting.length === 0 ? workloads : fitting;
}
