import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { type Client, pass, type World } from "./transaction-world.ts";

/** Loses requests and answers of a client, keeps some on their way, and lets others take their time. */
export function spoil(world: World, client: Client, onStruck: (what: string) => void): void {
  const { runtime } = world;
  client.spoil(async ({ kind }, send) => {
    const chance = runtime.random();
    if (chance < 0.03) throw new UnavailableError("a test refused the request");
    if (kind === "commit") {
      if (chance < 0.07) {
        onStruck("lost before");
        throw new OutcomeUnknownError("a test lost the request");
      }
      if (chance < 0.16) {
        onStruck("lost after");
        await send();
        throw new OutcomeUnknownError("a test lost the answer");
      }
      if (chance < 0.22) {
        onStruck("applied late");
        void pass(runtime, 500 * runtime.random())
          .then(send)
          .catch(() => undefined);
        throw new OutcomeUnknownError("a test keeps the request on its way");
      }
    }
    if (chance < 0.35) await pass(runtime, 30 * runtime.random());
    return send();
  });
}

/** Stops clients for a while, again and again. */
export async function pauses(world: World, rounds: number): Promise<void> {
  const { runtime } = world;
  for (let round = 0; round < rounds; round += 1) {
    await pass(runtime, 60 * runtime.random());
    const client = world.client(Math.floor(runtime.random() * world.clients.length));
    client.pause();
    await pass(runtime, 80 * runtime.random());
    client.resume(runtime.random() < 0.5 ? "timers" : "answers");
  }
}
