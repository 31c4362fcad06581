// Goal: what is printed for others to make a bucket and its users is what leasehold needs: with exactly that everything
// works, and with one permission less something does not.
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newStreamConfig } from "../../src/backends/nats/bucket-config.ts";
import {
  type NatsConnection,
  type NatsProvisioningOptions,
  type NatsRole,
  natsBackend,
  natsPermissions,
  natsProvisioning,
} from "../../src/backends/nats/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { InvalidArgumentError, PermissionDeniedError } from "../../src/core/errors.ts";
import { createCoordinator } from "../../src/index.ts";
import { backendConformance } from "../../src/testing/index.ts";
import { type NatsVersion, natsServer, type TestServer } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";
import { put, putNow, readText } from "./nats-stores.ts";

const bucket = "guarded";
const [, connect] = clients[1] as (typeof clients)[number];
const roles = ["runtime", "setup", "read-only"] as const;

/** What one user lacks of a role. */
interface Lack {
  readonly role: NatsRole;
  readonly list: "publish" | "subscribe";
  readonly subject: string;
}

const lacks = roles.flatMap((role) => {
  const lists = natsPermissions({ bucket, role });
  return (["publish", "subscribe"] as const).flatMap((list) =>
    lists[list].map((subject): Lack => ({ role, list, subject })),
  );
});

/** A server with a user for each role, and one for each thing that a role can lack. */
function guardedServer(version: NatsVersion): Promise<TestServer> {
  const users = roles.map((role) => natsProvisioning("permissions", { bucket, role }));
  for (const [index, { role, list, subject }] of lacks.entries()) {
    const whole = natsPermissions({ bucket, role });
    // An empty list would allow everything.
    const less = { ...whole, [list]: [...whole[list].filter((each) => each !== subject), "nothing"] };
    users.push(`{ user: "lack-${index}", password: "CHANGE_ME", permissions: ${JSON.stringify(less)} }\n`);
  }
  return natsServer({ version, config: `authorization { users: [\n${users.join("")}] }` });
}

function connectAs(server: TestServer, user: string): Promise<NatsConnection> {
  return connect({ servers: server.url, user, pass: "CHANGE_ME" });
}

describe.each([
  ["2.15", 1_000],
  ["2.10", 1],
] as const)("on %s, the users as printed", (version, commitOperationsMax) => {
  let server: TestServer;
  let [admin, first, second, reader]: NatsConnection[] = [];
  beforeAll(async () => {
    server = await guardedServer(version);
    const users = ["setup", "runtime", "runtime", "read-only"].map((role) => `${bucket}-${role}`);
    [admin, first, second, reader] = await Promise.all(users.map((user) => connectAs(server, user)));
    await natsBackend({ connection: admin as NatsConnection, bucket }).setup();
  });
  afterAll(async () => {
    await Promise.all([admin, first, second, reader].map((connection) => connection?.close()));
    await server.close();
  });
  const open = (connection: NatsConnection | undefined) =>
    natsBackend({ connection: connection as NatsConnection, bucket });

  describe("keep the whole contract:", () => {
    const cases = backendConformance({
      create: async () => {
        const [backend, other] = [open(first), open(second)];
        await Promise.all([backend.setup(), other.setup()]);
        return {
          backend,
          other,
          destroy: async () => void (await Promise.all([backend.close(), other.close()])),
        };
      },
      createMissing: { skip: "these users may not make buckets" },
      declared: { commitOperationsMax, wake: true, watch: "push", orderedScan: true },
    });
    for (const { title, skip, run } of cases) {
      const reason = skip === undefined ? "" : ` (skipped, ${skip.capability}: ${skip.reason})`;
      test.skipIf(skip !== undefined)(`${title}${reason}`, run);
    }
  });

  test("hand locks over, count, and let others look at it", async () => {
    const [one, two, looking] = [open(first), open(second), open(reader)];
    const [holder, waiter, looker] = [one, two, looking].map((backend) => createCoordinator(backend));
    if (holder === undefined || waiter === undefined || looker === undefined)
      throw new Error("there are three");
    const held = await holder.lock("job").acquire();
    const next = waiter.lock("job").acquire({ wait: "30s" });
    expect((await looker.lock("job").inspect())?.holders[0]?.fence).toBe(held.fence);
    await held.release();
    await (await next).release();
    expect(await waiter.counter("n").add(2)).toBe(2);
    await waiter.kv<number>("numbers").set("one", 1, { ttl: "1h" });
    expect(await waiter.kv<number>("numbers").increment("one", 2)).toBe(3);
    expect((await looker.kv<number>("numbers").get("one"))?.value).toBe(3);
    await expect(looker.kv<number>("numbers").set("one", 2)).rejects.toThrow(PermissionDeniedError);
    const names: string[] = [];
    for await (const { name } of looker.list()) names.push(name);
    expect(names).toContain("job");
    const heard = new Promise<string>((resolve) => looking.watch("seen", ({ key }) => resolve(key)));
    await reader?.flush();
    const version = await putNow(one, "seen", "x");
    expect(await heard).toBe("seen");
    expect((await looking.scan("seen")).records.map((record) => record.version)).toEqual([version]);
    expect((await looking.time()).earliestMs).toBeGreaterThan(0);
    await expect(looking.commit([put("seen", "y")])).rejects.toThrow(PermissionDeniedError);
    await expect(looker.lock("job").tryAcquire()).rejects.toThrow(PermissionDeniedError);
    expect(await readText(looking, "seen")).toBe("x");
    for (const each of [holder, waiter, looker]) await each.close();
    for (const each of [one, two, looking]) await each.close();
  });

  test.each(lacks.map((lack, index) => ({ ...lack, index })))(
    "need, as $role, to $list $subject",
    async ({ role, subject, index }) => {
      const lacking = await connectAs(server, `lack-${index}`);
      const backend = open(lacking);
      const full = open(first);
      if (subject.endsWith(".changes.>")) {
        expect(await hearsChanges(full, [backend, lacking], open(second))).toEqual([true, false]);
      } else if (subject.endsWith(".wake.*")) {
        expect(await isWoken(full, [backend, lacking])).toBe(false);
      } else if (subject.endsWith("leasehold/first") && version === "2.15") {
        await backend.setup();
      } else {
        const using = role === "setup" ? makeBucket(index) : useAll(backend);
        await expect(using).rejects.toThrow(PermissionDeniedError);
        await expect(using).rejects.toThrow(subject.replace(/[*>]$/, ""));
      }
      await Promise.all([backend.close(), full.close()]);
      await lacking.close();
    },
  );

  /** Makes the bucket where there is none yet. */
  async function makeBucket(index: number): Promise<void> {
    await using empty = await guardedServer(version);
    const connection = await connectAs(empty, `lack-${index}`);
    try {
      await natsBackend({ connection, bucket }).setup();
    } finally {
      await connection.close();
    }
  }
});

async function useAll(backend: Backend): Promise<void> {
  await backend.setup({ create: false });
  await backend.get(["a"]);
  await backend.commit([put("a", "x")]);
}

/** Whether each of the two hears of a change: with all permissions, and without one. */
async function hearsChanges(
  full: Backend,
  [backend, connection]: [Backend, NatsConnection],
  writer: Backend,
): Promise<readonly boolean[]> {
  await Promise.all([full.setup(), backend.setup({ create: false }), writer.setup()]);
  let heard = false;
  const first = new Promise<boolean>((resolve) => full.watch("changed", () => resolve(true)));
  backend.watch("changed", () => {
    heard = true;
  });
  await connection.flush();
  await full.time();
  await putNow(writer, "changed", "x");
  await writer.close();
  const answer = await first;
  await connection.flush();
  return [answer, heard];
}

/** Whether wakes come through between two of whom one lacks the permission to send or to hear them. */
async function isWoken(full: Backend, [lacking, connection]: [Backend, NatsConnection]): Promise<boolean> {
  await Promise.all([full.setup(), lacking.setup()]);
  const heard: string[] = [];
  lacking.onWake("deaf", (hint) => heard.push(hint));
  const last = new Promise<string>((resolve) => {
    full.onWake("me", (hint) => (hint === "last" ? resolve(hint) : heard.push(hint)));
  });
  await full.time();
  await connection.flush();
  lacking.wake("me", "from one that may not send");
  full.wake("deaf", "to one that may not hear");
  await connection.flush();
  full.wake("me", "last");
  await last;
  await connection.flush();
  return heard.length === 2;
}

describe("the bucket as printed", () => {
  const options: NatsProvisioningOptions = {
    bucket: "jobs",
    replicas: 1,
    maxBytes: 10_000_000,
    compression: true,
    description: "it's {{ours}}",
    metadata: { team: "mail" },
    firstSequence: 1_700_000_000_000_000,
  };

  test("is the one that setup makes", () => {
    const { firstSequence, bucket: name, ...rest } = options;
    const text = natsProvisioning("stream", options);
    expect(JSON.parse(text)).toEqual(newStreamConfig(name, rest, firstSequence as number));
    expect(text).toMatch(/^\{\n {2}"name".*\}\n$/s);
    const later = JSON.parse(natsProvisioning("stream", { bucket: name }));
    expect(later.first_seq).toBeGreaterThan(1_700_000_000_000_000);
    expect(JSON.parse(natsProvisioning("stream", { bucket: "copy", mirror: "hub/jobs" }))).toMatchObject({
      mirror: { name: "KV_jobs", external: { api: "$JS.hub.API" } },
      republish: { src: "$KV.jobs.>" },
    });
  });

  test("comes out of the command as a shell reads it, and serves", async () => {
    const name = uniqueBucket();
    const command = natsProvisioning("nats-cli", { ...options, bucket: name });
    expect(command).not.toContain("{{");
    const shell = `nats() { printf '%s\\n' "$@"; }; ${command}`;
    const [verb, subject, body = ""] = execFileSync("sh", ["-c", shell]).toString().split("\n");
    expect([verb, subject]).toEqual(["req", `$JS.API.STREAM.CREATE.KV_${name}`]);
    const connection = await connect({ servers: sharedServers().nats.url });
    const { config } = await askJetStream(connection, `STREAM.CREATE.KV_${name}`, JSON.parse(body));
    expect(config).toMatchObject({ description: "it's {{ours}}", compression: "s2", allow_atomic: true });
    const backend = natsBackend({ connection, bucket: name });
    await backend.setup({ create: false });
    expect(backend.capabilities).toMatchObject({ commitOperationsMax: 1_000, watch: "push" });
    await backend.close();
    await askJetStream(connection, `STREAM.DELETE.KV_${name}`);
    await connection.close();
  });

  test("has users for nsc, with quoted subjects", () => {
    const command = natsProvisioning("nsc", { bucket: "jobs", role: "read-only", inboxPrefix: "_INBOX.ro" });
    expect(command).toBe(
      "nsc add user --name jobs-read-only --allow-pub '$JS.API.STREAM.INFO.KV_jobs,$JS.API.STREAM.MSG.GET.KV_jobs' " +
        "--allow-sub '_INBOX.ro.>,leasehold.jobs.changes.>'\n",
    );
    expect(natsProvisioning("nsc", { bucket: "jobs", sweep: true })).toContain(
      "$JS.API.STREAM.PURGE.KV_jobs",
    );
  });

  test("is refused for what cannot be", () => {
    const wrong: readonly [string, object][] = [
      ["terraform", { bucket: "jobs" }],
      ["nsc", { bucket: "jobs", role: "admin" }],
      ["nsc", { bucket: "jobs", inboxPrefix: "a b" }],
      ["stream", { bucket: "a.b" }],
      ["stream", { bucket: "jobs", history: 5 }],
      ["stream", { bucket: "jobs", replica: 5 }],
    ];
    for (const [text, given] of wrong) {
      expect(() => natsProvisioning(text as "nsc", given as NatsProvisioningOptions)).toThrow(
        InvalidArgumentError,
      );
    }
  });
});
