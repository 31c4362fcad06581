// Stands for the payment provider: charges once for each of its own idempotency keys, and may take its time to answer.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** More than this is declined. */
const limit = 1_000;

/** A provider that can be watched. */
export interface Bank {
  readonly url: string;
  /** What was charged, by the provider's idempotency key. */
  readonly charges: ReadonlyMap<string, { readonly id: string; readonly amount: number }>;
  /** How often it was asked. */
  readonly asked: number;
  /** From now on charges are made, and not answered before `answer` is called. `charged` resolves with the first one. */
  hold(): { readonly charged: Promise<void>; answer(): void };
  close(): void;
}

export async function openBank(): Promise<Bank> {
  const charges = new Map<string, { readonly id: string; readonly amount: number }>();
  let asked = 0;
  let held: { onCharge(): void; readonly answered: Promise<void> } | undefined;
  const server = createServer(async (request, response) => {
    const { amount } = (await json(request)) as { readonly amount: number };
    const key = String(request.headers["idempotency-key"]);
    asked += 1;
    if (amount > limit) {
      response.writeHead(402).end();
      return;
    }
    const charge = charges.get(key) ?? { id: `charge-${charges.size + 1}`, amount };
    charges.set(key, charge);
    held?.onCharge();
    await held?.answered;
    response.end(JSON.stringify(charge));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    charges,
    get asked() {
      return asked;
    },
    hold() {
      const charged = Promise.withResolvers<void>();
      const answered = Promise.withResolvers<void>();
      held = { onCharge: charged.resolve, answered: answered.promise };
      return {
        charged: charged.promise,
        answer() {
          held = undefined;
          answered.resolve();
        },
      };
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
