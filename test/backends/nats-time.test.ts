// Goal: the clock of a NATS server is read, with its fraction, from an answer that every client may ask for.
import { expect, test } from "vitest";
import { type NatsConnection, natsBackend } from "../../src/backends/nats/index.ts";
import { UnavailableError, UnsupportedError } from "../../src/core/errors.ts";
import { sharedServers } from "../servers/shared.ts";
import { clients } from "./nats-clients.ts";
import { openNatsStore } from "./nats-stores.ts";

const [[, connect]] = clients as unknown as [(typeof clients)[number]];

/** A connection whose answers are changed on the way. */
function rewriting(
  connection: NatsConnection,
  change: (answer: Record<string, unknown>) => object,
): NatsConnection {
  return new Proxy(connection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name === "request") {
        return async (...request: Parameters<NatsConnection["request"]>) => {
          const message = await target.request(...request);
          const data = Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(message.data).toString()))));
          return { subject: message.subject, data };
        };
      }
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

for (const [name, connectWith] of clients) {
  test.for(["nats", "nats210"] as const)(`it is right, to a round trip, over ${name} on %s`, async (line) => {
    await using store = await openNatsStore(connectWith, sharedServers()[line].url);
    const [sentMs, beforeMs] = [performance.now(), Date.now()];
    const { earliestMs, latestMs } = await store.backend.time();
    const roundTripMs = performance.now() - sentMs;
    // The server runs on this machine, whose wall clock is read in whole milliseconds here.
    expect(earliestMs).toBeLessThan(Date.now() + 1);
    expect(latestMs).toBeGreaterThanOrEqual(beforeMs);
    expect(latestMs - earliestMs).toBeLessThanOrEqual(roundTripMs);
  });
}

test.for([
  ["2026-11-21T13:23:02.578524584Z", Date.UTC(2026, 10, 21, 13, 23, 2) + 578.524584],
  ["2026-11-21T13:23:02.5Z", Date.UTC(2026, 10, 21, 13, 23, 2) + 500],
  ["2026-11-21T13:23:02Z", Date.UTC(2026, 10, 21, 13, 23, 2)],
] as const)("%s is read to the fraction of a millisecond", async ([ts, expectedMs]) => {
  await using store = await openNatsStore(connect, sharedServers().nats.url);
  const connection = rewriting(store.connection, (answer) => ({ ...answer, ts }));
  const backend = natsBackend({ connection, bucket: store.bucket });
  expect((await backend.time()).earliestMs).toBeCloseTo(expectedMs, 3);
  await backend.close();
});

test.for([undefined, "yesterday", "2026-11-21T13:23:02+01:00", 7])(
  "a server whose answer says %s for its time is refused with what to do",
  async (ts) => {
    await using store = await openNatsStore(connect, sharedServers().nats.url);
    const connection = rewriting(store.connection, ({ ts: _, ...answer }) => ({ ...answer, ts }));
    const backend = natsBackend({ connection, bucket: store.bucket });
    await expect(backend.time()).rejects.toThrow(UnsupportedError);
    await expect(backend.time()).rejects.toThrow(/2\.15\.1.* needs 2\.10 or newer/);
    await backend.close();
  },
);

test("an error of the API is the error of any read", async () => {
  await using store = await openNatsStore(connect, sharedServers().nats.url);
  let isRefusing = false;
  const error = { code: 500, err_code: 10_000, description: "made by a test" };
  const connection = rewriting(store.connection, (answer) => (isRefusing ? { error } : answer));
  const backend = natsBackend({ connection, bucket: store.bucket });
  await backend.setup({ create: false });
  isRefusing = true;
  await expect(backend.time()).rejects.toThrow(UnavailableError);
  await backend.close();
});
