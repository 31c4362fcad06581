import type { Runtime } from "../core/runtime.ts";
import type { SlotNote } from "./slot-note.ts";

interface Sighting {
  readonly run: string;
  readonly seenAtMs: number;
}

/** Schedules whose last run is remembered; the one not seen for longest is forgotten first, and stays closed longer. */
const sightingsMax = 1_024;

/**
 * When this process first saw the last run of each schedule, on its own monotonic clock: since then at least as much time
 * has passed as since the run began, whatever any wall clock says.
 */
export class Sightings {
  readonly #runtime: Runtime;
  readonly #sightings = new Map<string, Sighting>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes in what was seen. */
  see(name: string, { run }: SlotNote): void {
    const known = this.#sightings.get(name);
    const sighting = known?.run === run ? known : { run, seenAtMs: this.#runtime.monotonicMs() };
    this.#sightings.delete(name);
    this.#sightings.set(name, sighting);
    for (const oldest of this.#sightings.keys()) {
      if (this.#sightings.size <= sightingsMax) break;
      this.#sightings.delete(oldest);
    }
  }

  /**
   * Whether a run has kept others away for long enough. `clockDifferenceMs`: by how much wall clocks differ at most;
   * `undefined`: nobody knows, and they are not compared.
   */
  isOpen(name: string, note: SlotNote, clockDifferenceMs: number | undefined): boolean {
    const { run, closedForMs, begunAtMs } = note;
    if (closedForMs === 0) return true;
    const known = this.#sightings.get(name);
    const watchedMs = known?.run === run ? this.#runtime.monotonicMs() - known.seenAtMs : 0;
    if (watchedMs >= closedForMs) return true;
    if (clockDifferenceMs === undefined) return false;
    return this.#runtime.wallMs() - begunAtMs >= closedForMs + clockDifferenceMs;
  }
}
