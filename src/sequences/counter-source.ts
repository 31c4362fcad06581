import type { AddOperation } from "../core/backend.ts";
import { decodeCounter, emptyCounter, encodeCounter } from "../core/counter-record.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { recordKey } from "../core/names.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { NumberSource } from "./number-source.ts";

/** The key of the counter behind a sequence that may have gaps. */
export function blocksKey(namespace: string, name: string): string {
  return recordKey(namespace, "sequence-blocks", name);
}

/** The key of the roster behind a sequence without gaps. */
export function gapFreeKey(namespace: string, name: string): string {
  return recordKey(namespace, "sequence", name);
}

/** A counter whose sum is the last number that anybody took. */
export class CounterSource implements NumberSource {
  readonly subject: string;
  readonly #host: RecordHost;
  readonly #name: string;
  readonly #key: string;
  readonly #start: number;
  #isOpened = false;

  constructor(host: RecordHost, name: string, start: number) {
    this.subject = `the sequence ${JSON.stringify(name)}`;
    this.#host = host;
    this.#name = name;
    this.#key = blocksKey(host.namespace, name);
    this.#start = start;
  }

  async take(count: number, operation: AddOperation): Promise<number> {
    if (!this.#isOpened) await this.#open();
    return this.#host.backend.add(this.#key, count, operation);
  }

  /**
   * Only while its own take is the last one, as the counter itself says: then the numbers after it are all there are,
   * and nobody but their owner ever had them.
   */
  async giveBack(first: number, last: number, writer: string): Promise<void> {
    const { backend } = this.#host;
    const key = this.#key;
    const [record] = await backend.get([key]);
    if (record == null) return;
    const counter = decodeCounter(key, record.value);
    if (counter.sum !== last || counter.receipts.get(writer)?.sum !== last) return;
    const value = encodeCounter({ ...counter, sum: first - 1 });
    await backend.commit([{ kind: "put", key, value, expect: record.version }]);
  }

  /** Where the numbers begin elsewhere than at 1, the first one to come writes it down. */
  async #open(): Promise<void> {
    const { backend, namespace } = this.#host;
    const key = this.#key;
    const [record, gapFree] = await backend.get([key, gapFreeKey(namespace, this.#name)]);
    if (gapFree != null) {
      throw new InvalidArgumentError(
        `${this.subject} is one without gaps: open it with { gapFree: true }, or use another name. Its numbers and those ` +
          "of a sequence with gaps would be the same ones",
      );
    }
    if (record == null && this.#start !== 1) {
      const value = encodeCounter({ ...emptyCounter, sum: this.#start - 1 });
      // Somebody else came first: their beginning counts.
      await backend.commit([{ kind: "put", key, value, expect: null }]);
    }
    this.#isOpened = true;
  }
}
