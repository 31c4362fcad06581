// Goal: the documented permissions are enough, and a missing one is named before anything is written.
import { afterEach, describe, expect, test } from "vitest";
import {
  type NatsConnection,
  type NatsRole,
  natsBackend,
  natsPermissions,
} from "../../src/backends/nats/index.ts";
import type { ChangeHint } from "../../src/core/backend.ts";
import { PermissionDeniedError } from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { type NatsVersion, natsServer, waitUntil } from "../servers/index.ts";
import { askJetStream, type ClientOptions, clients } from "./nats-clients.ts";

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

async function open(connect: (options: ClientOptions) => Promise<NatsConnection>, options: ClientOptions) {
  const connection = await connect(options);
  toClose.push(() => connection.close());
  return connection;
}

describe.each(clients)("permissions over %s:", (_client, connect) => {
  const bucket = "guarded";
  const api = `$JS.API.STREAM`;
  const listsOf = (role: NatsRole, sweep = false) => {
    const { publish, subscribe } = natsPermissions({ bucket, role, sweep, inboxPrefix: "_INBOX_me" });
    return { publish: [...publish], subscribe: [...subscribe] };
  };
  const [minimal, setup] = [listsOf("runtime"), listsOf("setup")];

  function serverWith(
    permissions: Readonly<Record<string, { publish: string[]; subscribe: string[] }>>,
    version: NatsVersion = "2.15",
  ) {
    const users = Object.entries(permissions).map(
      ([user, { publish, subscribe }]) =>
        `{ user: ${user}, password: p, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} } }`,
    );
    return natsServer({ version, config: `authorization { users: [ ${users.join(", ")} ] }` });
  }

  test("the documented minimal sets are enough for setting up and for everything else", async () => {
    await using server = await serverWith({ admin: setup, worker: minimal });
    const as = (user: string) =>
      open(connect, { servers: server.url, user, pass: "p", inboxPrefix: "_INBOX_me" });
    const [admin, worker] = [await as("admin"), await as("worker")];
    const missing = natsBackend({ connection: worker, bucket });
    await expect(missing.setup()).rejects.toThrow(PermissionDeniedError);
    await expect(missing.setup()).rejects.toThrow(`${api}.CREATE.KV_${bucket}`);
    await natsBackend({ connection: admin, bucket }).setup();
    const backend = natsBackend({ connection: worker, bucket });
    await backend.setup();
    const [changes, wakes]: [ChangeHint[], string[]] = [[], []];
    backend.watch("a", (hint) => changes.push(hint));
    const client = systemRuntime.id();
    backend.onWake(client, (hint) => wakes.push(hint));
    const value = Buffer.from("x");
    const put = await backend.commit([{ kind: "put", key: "a", value, expect: null }]);
    expect(put.committed).toBe(true);
    await backend.commit([
      { kind: "put", key: "b", value },
      { kind: "check", key: "a", expect: put.committed ? (put.versions[0] as string) : null },
    ]);
    expect(await backend.add("n", 3, { writer: "w", sequence: 1 })).toBe(3);
    expect((await backend.scan("")).records.map(({ key }) => key)).toEqual(["a", "b", "n"]);
    expect((await backend.time()).earliestMs).toBeGreaterThan(0);
    backend.wake(client, "up");
    const both = async () => (changes.length > 0 && wakes.length > 0 ? true : null);
    await waitUntil(both, { timeoutMs: 5_000, intervalMs: 5, what: "hints" });
    await backend.close();
    await Promise.all([admin.close(), worker.close()]);
  });

  test("with the permission to purge, clients collect expired records on 2.10", async () => {
    const sweeper = listsOf("runtime", true);
    await using server = await serverWith({ admin: setup, sweeper }, "2.10");
    const as = (user: string) =>
      open(connect, { servers: server.url, user, pass: "p", inboxPrefix: "_INBOX_me" });
    const [admin, worker] = [await as("admin"), await as("sweeper")];
    const making = natsBackend({ connection: admin, bucket });
    await making.setup();
    await making.close();
    const backend = natsBackend({ connection: worker, bucket, sweepInterval: "1s" });
    await backend.commit([{ kind: "put", key: "a", value: Buffer.from("x"), ttlMs: 500 }]);
    const gone = async () => ((await backend.get(["a"]))[0] === null ? true : null);
    await waitUntil(gone, { timeoutMs: 20_000, intervalMs: 50, what: "the sweep" });
    await backend.close();
    await Promise.all([admin.close(), worker.close()]);
  });

  test("a denied inbox is found out by setting up, before anything is written", async () => {
    await using server = await serverWith({ admin: setup, deaf: { ...minimal, subscribe: ["other.>"] } });
    const admin = await open(connect, {
      servers: server.url,
      user: "admin",
      pass: "p",
      inboxPrefix: "_INBOX_me",
    });
    await natsBackend({ connection: admin, bucket }).setup();
    const deaf = await open(connect, { servers: server.url, user: "deaf", pass: "p" });
    const backend = natsBackend({ connection: deaf, bucket });
    for (const request of [
      () => backend.setup(),
      () => backend.commit([{ kind: "put" as const, key: "a", value: Buffer.from("x") }]),
    ]) {
      await expect(request()).rejects.toThrow(PermissionDeniedError);
      await expect(request()).rejects.toThrow(/subscribe to _INBOX/);
    }
    expect((await askJetStream(admin, `STREAM.INFO.KV_${bucket}`)).state.messages).toBe(0);
    await Promise.all([admin.close(), deaf.close()]);
  });

  test("a denied write names its subject, was not applied, and leaves the connection in order", async () => {
    const reader = { ...minimal, publish: minimal.publish.slice(1) };
    await using server = await serverWith({ admin: setup, reader });
    const as = (user: string) =>
      open(connect, { servers: server.url, user, pass: "p", inboxPrefix: "_INBOX_me" });
    const [admin, denied] = [await as("admin"), await as("reader")];
    await natsBackend({ connection: admin, bucket }).setup();
    const backend = natsBackend({ connection: denied, bucket });
    for (let round = 0; round < 2; round += 1) {
      const write = backend.commit([{ kind: "put", key: "a", value: Buffer.from("x") }]);
      await expect(write).rejects.toThrow(PermissionDeniedError);
      await expect(write).rejects.toThrow(`publish to $KV.${bucket}.a`);
      expect(await backend.get(["a"])).toEqual([null]);
    }
    await Promise.all([admin.close(), denied.close()]);
  });
});
