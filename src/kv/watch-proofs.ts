import type { Backend, Version } from "../core/backend.ts";
import { PermissionDeniedError, UnsupportedError } from "../core/errors.ts";

/** Finds out whether a record that was read is the newest: reads may be stale, and only a commit decides. */
export class NewestProofs {
  readonly #backend: Backend;
  readonly #suspects = new Map<string, Version | null>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Whether the record has this version now; `null`: there is none. */
  async isNewest(key: string, version: Version | null): Promise<boolean> {
    try {
      return (await this.#backend.commit([{ kind: "check", key, expect: version }])).committed;
    } catch (error) {
      if (!(error instanceof UnsupportedError || error instanceof PermissionDeniedError)) throw error;
      // Who may only read believes what two readings in succession show.
      const isSecond = this.#suspects.get(key) === version;
      if (isSecond) this.#suspects.delete(key);
      else this.#suspects.set(key, version);
      return isSecond;
    }
  }

  /** A reading showed nothing that is in doubt. */
  forget(key: string): void {
    this.#suspects.delete(key);
  }
}
