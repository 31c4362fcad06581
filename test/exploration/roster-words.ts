import { type Client, clientName } from "./client.ts";
import { describeShare } from "./share.ts";

/** A client's memory in a few words, for traces. */
export function describeClient(client: Client, index: number): string {
  const name = `${clientName(index)}${client.incarnation}`;
  if (!client.isUp) return `${name} crashed`;
  const { entry, held, leaves, caller, flight, known, isLive } = client;
  const words: string[] = [];
  if (held.length > 0) words.push(`holds ${held.map((ticket) => `#${ticket}`).join(" ")}`);
  if (client.share !== undefined) words.push(...describeShare(client.share));
  if (entry !== undefined) words.push(`is ${entry.stage} as #${entry.ticket}`);
  if (entry?.evicting) words.push("evicts");
  if (caller === "gone") words.push("has no caller any more");
  for (const { kind, incarnation, ticket } of leaves) {
    words.push(`takes out ${clientName(index)}${incarnation}#${ticket} (${kind})`);
  }
  if (flight !== "none") words.push("has a write on its way");
  if (typeof known === "object") words.push("knows what stood there a while ago");
  if (!isLive && client.incarnation > 0) words.push("lost its session");
  return words.length === 0 ? `${name} rests` : `${name} ${words.join(", ")}`;
}
