// One worker of the shop: `node worker.ts URL NAMESPACE FILE NAME ORDERS HANGS_AT`. Places its orders, each under the next number.
import { connect, LeaseLostError } from "../../src/index.ts";
import { openOrderTable } from "./order-table.ts";

/** What a worker tells. `hangs`: it wrote the order, and stops before the number counts as used. */
export interface Told {
  readonly what: "placed" | "skipped" | "hangs";
  readonly number: number;
  readonly order: string;
}

const [, , url = "", namespace = "", file = "", name = "", orders = "", hangsAt = ""] = process.argv;
const tell = (told: Told): void => {
  process.send?.(told, undefined, undefined, () => undefined);
};

const table = openOrderTable(file);
await using coordinator = await connect(url, { ttl: "2s", namespace, clientName: name });
const numbers = coordinator.sequence("orders", { gapFree: true });

async function place(order: string, isLast: boolean): Promise<void> {
  // A life of this worker that was killed may have written it already; so may work whose lease was lost.
  while (!table.has(order)) {
    try {
      await numbers.issue((number, { signal }) => write(order, number, signal, isLast));
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }
}

async function write(order: string, number: number, signal: AbortSignal, isLast: boolean): Promise<void> {
  signal.throwIfAborted();
  const found = table.insertIfAbsent(number, order);
  if (found !== order) return tell({ what: "skipped", number, order: found });
  if (!isLast) return tell({ what: "placed", number, order });
  tell({ what: "hangs", number, order });
  // Killed here: the order is written, and the number does not count as used.
  await new Promise(() => setInterval(() => undefined, 1_000));
}

for (let index = 1; index <= Number(orders); index += 1)
  await place(`${name}-${index}`, index === Number(hangsAt));
process.disconnect();
