// One instance of the API: `node instance.ts STORE NAMESPACE BANK`. POST /payments with an Idempotency-Key, as
// draft-ietf-httpapi-idempotency-key-header has it.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { connect, FingerprintMismatchError, InProgressError, type OnceRun } from "../../src/index.ts";

const [, , store = "", namespace = "", bank = ""] = process.argv;
await using coordinator = await connect(store, { namespace, ttl: "2s" });

/** What is stored for a key, and answered to every request with it. */
interface Answer {
  readonly status: number;
  readonly body: object;
}

/** The effect. The provider gets a key of its own, so that it charges once although this may begin twice. */
async function charge(amount: number, { key, signal }: OnceRun): Promise<Answer> {
  const response = await fetch(bank, {
    method: "POST",
    headers: { "idempotency-key": key },
    body: JSON.stringify({ amount }),
    signal,
  });
  // Final, so it is returned: a repeat gets the same. What may pass is thrown: then a repeat tries again.
  if (response.status === 402) return { status: 402, body: { title: "declined" } };
  if (!response.ok) throw new Error(`the bank answered ${response.status}`);
  return { status: 201, body: (await response.json()) as object };
}

/** `Prefer: wait=10` of RFC 7240: seconds that the client would wait while another request with the key runs. */
function waitOf({ headers }: IncomingMessage): number {
  return Math.min(30, Number(/\bwait=(\d+)/.exec(String(headers.prefer))?.[1] ?? 0)) * 1_000;
}

const server = createServer(async (request, response) => {
  const send = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): void => {
    const type = "title" in body ? "application/problem+json" : "application/json";
    response.writeHead(status, { "Content-Type": type, ...headers }).end(`${JSON.stringify(body)}\n`);
  };
  // Who the customer is, authentication says: keys of two of them never meet.
  const customer = request.headers["x-customer"] ?? "nobody";
  const key = request.headers["idempotency-key"];
  if (request.method !== "POST" || request.url !== "/payments") return send(404, { title: "not found" });
  if (typeof key !== "string" || key === "" || key.length > 255)
    return send(400, { title: "Idempotency-Key is missing, or too long" });
  const body = await text(request);
  const amount = Number(/^\{"amount":(\d+)\}$/.exec(body)?.[1]);
  if (!(amount > 0)) return send(400, { title: "amount must be a positive number" });

  let isReplayed = true;
  const pay = (run: OnceRun): Promise<Answer> => {
    isReplayed = false;
    return charge(amount, run);
  };
  try {
    const answer = await coordinator.once(`${customer}/${key}`, pay, {
      fingerprint: createHash("sha256").update(body).digest("base64url"),
      wait: waitOf(request),
    });
    send(answer.status, answer.body, isReplayed ? { "Idempotent-Replayed": "true" } : {});
  } catch (error) {
    if (error instanceof FingerprintMismatchError) send(422, { title: "this key is of another request" });
    else if (error instanceof InProgressError)
      send(409, { title: "a request with this key is in progress" }, { "Retry-After": "1" });
    else send(503, { title: "try again with the same key" }, { "Retry-After": "1" });
  }
});

const stop = new Promise((resolve) => process.once("disconnect", resolve));
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
await stop;
server.closeAllConnections();
server.close();
