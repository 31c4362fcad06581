// Goal: of several writes without an answer, the one that was applied is found, and none hides another.
import { expect, test } from "vitest";
import { OutcomeUnknownError } from "../../src/index.ts";
import { track } from "../locks/world.ts";
import { createTallyWorld } from "./record-world.ts";

test("a write whose mark stands in the record is told as it was, whatever was shut out before it", async () => {
  const { client, clients, runtime, stored } = createTallyWorld({ clients: 18 });
  const { record, backend } = client(0);
  const add = { kind: "add", delta: 1 } as const;
  let commits = 0;
  backend.intercept(async (request, send) => {
    if (request.kind !== "commit") return send();
    commits += 1;
    if (commits === 1) {
      for (const each of clients.slice(1, 16)) await each.record.run(add); // 15 others: [1] is shut out
      throw new OutcomeUnknownError("lost request");
    }
    if (commits === 3) {
      const result = await send(); // applied
      await clients[16]?.record.run(add);
      await clients[17]?.record.run(add);
      void result;
      throw new OutcomeUnknownError("lost answer");
    }
    return send();
  });
  await runtime.advance(1);
  const answer = track(runtime, record.run(add));
  await runtime.advance(5_000);
  void stored;
  expect(answer.error).toBeUndefined();
});
