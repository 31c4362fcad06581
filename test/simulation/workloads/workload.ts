import type { Client } from "../client.ts";

/** Something that a client does with the library, from beginning to end. `place` names it for the choices. */
export interface Workload {
  readonly name: string;
  run(client: Client, place: string): Promise<void>;
}
