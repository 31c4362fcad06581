// Goal: the command line runs on every store that several processes can share, by its URL alone.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { sharedServers } from "../servers/shared.ts";
import { makePlace, shell, untilGo } from "./cli-process.ts";

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => "sqlite:./store.db",
  nats: () => `${sharedServers().nats.url}/${randomUUID()}`,
  dynamodb: () =>
    `dynamodb://local/t${randomUUID()}?endpoint=${encodeURIComponent(sharedServers().dynamodb.url)}`,
};

test.each(Object.entries(stores))("one holds, one gives up, one waits, on %s", async (_name, freshUrl) => {
  await using place = makePlace();
  const url = freshUrl();
  const holder = place.start(["lock", "x", "--url", url, ...shell(`${untilGo}; exit 3`)]);
  await place.written("up");
  const tried = await place.run(["lock", "x", "--url", url, "--try", "--", "echo", "ran"]);
  expect(tried).toMatchObject({ exitCode: exitCodes.notAcquired, stdout: "" });
  const waiter = place.start(["lock", "x", "--url", url, "--", "echo", "ran"]);
  place.write("go");
  expect(await holder.ended).toMatchObject({ exitCode: 3, stderr: "" });
  expect(await waiter.ended).toMatchObject({ exitCode: 0, stdout: "ran\n", stderr: "" });
});
