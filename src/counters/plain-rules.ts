import {
  type CounterRecord,
  decodeCounter,
  emptyCounter,
  encodeCounter,
  receiptStamps,
  receiptsMax,
  withReceipt,
} from "../core/counter-record.ts";
import type { RecordRules } from "../records/record-rules.ts";
import { applyToValue, type CounterAnswer, type CounterCommand } from "./counter-command.ts";
import { safeIntegers } from "./integers.ts";

/**
 * What commands do to the record that the backends' own adds work on. It keeps their receipts, so that an add whose
 * answer was lost counts once also when the counter was set meanwhile.
 */
export const plainRules: RecordRules<CounterRecord, CounterCommand<number>, CounterAnswer<number>> = {
  decode: (key, value) => (value === null ? emptyCounter : decodeCounter(key, value)),
  encode: encodeCounter,
  apply(counter, command) {
    const answer = applyToValue(safeIntegers, counter.sum, command);
    const isSame = answer.value === counter.sum;
    return { state: isSame ? counter : { ...counter, sum: answer.value }, answer };
  },
  stamp: withReceipt,
  stamps: receiptStamps,
  stampsMax: receiptsMax,
  ttlMs: () => undefined,
};
