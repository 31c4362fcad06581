// Goal: a NATS URL says what it means or is refused with words that help, never shows a password, and a server that
// is not there is reported soon.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { natsBackendFromUrl, natsOptionsFromUrl } from "../../src/backends/nats/index.ts";
import { parseNatsUrl } from "../../src/backends/nats/parse-nats-url.ts";
import {
  ClosedError,
  InvalidArgumentError,
  PermissionDeniedError,
  UnavailableError,
} from "../../src/core/errors.ts";
import { claimPort, natsServer } from "../servers/index.ts";
import { runCommand } from "../servers/run-command.ts";
import { sharedServers } from "../servers/shared.ts";
import { uniqueBucket } from "./nats-clients.ts";
import { putNow } from "./nats-stores.ts";

const soonMs = 15_000;

/** What somebody gets who waits for a failure, and how long that took. */
async function failure(
  opening: Promise<unknown>,
): Promise<{ readonly error: Error; readonly tookMs: number }> {
  const startedMs = performance.now();
  const error = await opening.then(
    () => new Error("it connected"),
    (reason: Error) => reason,
  );
  return { error, tookMs: performance.now() - startedMs };
}

describe("a NATS URL", () => {
  test("needs nothing but a host", () => {
    expect(parseNatsUrl("nats://localhost")).toEqual({
      hosts: ["localhost:4222"],
      tls: false,
      bucket: "leasehold",
      parameters: {},
    });
    for (const url of ["nats://a/", "nats://a?", "nats://a/?"])
      expect(parseNatsUrl(url).bucket).toBe("leasehold");
  });

  test("says all of a bucket", () => {
    const text =
      "nats://u:p@a/jobs?replicas=3&maxValueBytes=200000&compression=true&cluster=east&tags=ssd,north" +
      "&description=Who%20sends&requestTimeout=1s";
    const { cluster, tags } = { cluster: "east", tags: ["ssd", "north"] };
    const options = { replicas: 3, maxValueBytes: 200_000, compression: true, placement: { cluster, tags } };
    expect(natsOptionsFromUrl(text)).toEqual({ bucket: "jobs", ...options, description: "Who sends" });
    expect(natsOptionsFromUrl("nats://a?mirror=hub/jobs")).toEqual({
      bucket: "leasehold",
      mirror: "hub/jobs",
    });
    expect(natsOptionsFromUrl("nats://a/b?sources=c,d")).toEqual({ bucket: "b", sources: ["c", "d"] });
  });

  test("names several hosts, TLS, a user, a bucket and parameters", () => {
    const url =
      "tls://us%40er:p%3Aa%2Fs%23s@a.example.org,10.0.0.1:4333,[::1]:4444/job%2Ds" +
      "?replicas=3&storage=file&maxBytes=1000000&requestTimeout=500&sweepInterval=1m&creds=%2Ftmp%2Fa.creds";
    expect(parseNatsUrl(url)).toEqual({
      hosts: ["a.example.org:4222", "10.0.0.1:4333", "[::1]:4444"],
      tls: true,
      user: "us@er",
      password: "p:a/s#s",
      bucket: "job-s",
      parameters: {
        replicas: "3",
        storage: "file",
        maxBytes: "1000000",
        requestTimeout: "500",
        sweepInterval: "1m",
        creds: "/tmp/a.creds",
      },
    });
  });

  test("takes a lone user for a token, and an empty password for one", () => {
    expect(parseNatsUrl("nats://s3cr%40t@a")).toMatchObject({ token: "s3cr@t" });
    expect(parseNatsUrl("nats://me:@a")).toMatchObject({ user: "me", password: "" });
  });

  const refused: readonly [string, RegExp][] = [
    ["nats://", /has the form nats:\/\/\[user:password@\]host/],
    ["nats:localhost", /has the form/],
    ["http://localhost", /has the form/],
    ["nats://a/b/c", /has the form/],
    ["nats://a#b", /has the form/],
    ["nats://a,,b", /separated by commas; got ""/],
    ["nats://a:0", /separated by commas; got "a:0"/],
    ["nats://a:65536", /got "a:65536"/],
    ["nats://a b", /got "a b"/],
    ["nats://a?replica=3", /no parameter "replica"; it has replicas, storage/],
    ["nats://a?replicas=3&replicas=1", /replicas comes twice/],
    ["nats://a?replicas=9", /replicas must be 1 to 5.*got 9/],
    ["nats://a?replicas=", /replicas must be 1 to 5/],
    ["nats://a?replicas=many", /replicas must be 1 to 5/],
    ["nats://a?storage=disk", /storage must be "file" or "memory"; got "disk"/],
    ["nats://a?maxBytes=-1", /maxBytes must be a whole number/],
    ["nats://a?requestTimeout=1", /requestTimeout/],
    ["nats://a?requestTimeout=soon", /requestTimeout/],
    ["nats://a?sweepInterval=1ms", /sweepInterval/],
    ["nats://a?creds=/nowhere/at/all.creds", /credentials file \/nowhere\/at\/all\.creds cannot be read/],
    ["nats://a/b%20c", /bucket must be 1 to 200 characters/],
    ["nats://a/%ff", /bucket of a NATS URL must be percent-encoded/],
  ];
  test.for(refused)("is refused as %s, at once", async ([url, message]) => {
    const { error, tookMs } = await failure(natsBackendFromUrl(url));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(message);
    expect(tookMs).toBeLessThan(1_000);
  });

  test("that is refused never shows its password", async () => {
    const odd = ["/", "?", "#", "@", ":", "%", ","].map(
      (character) => `nats://me:s3cr${character}s3cr@a b/c d`,
    );
    for (const url of [...odd, "nats://me:s3cr/s3cr@host", "nats://me:s3cr?s3cr@host", "nats:me:s3cr@host"]) {
      const { error } = await failure(natsBackendFromUrl(url));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).not.toContain("s3cr");
    }
  });
});

describe("connecting", () => {
  test("goes on to the host that answers, and closing ends the connection", async () => {
    const { port } = new URL(sharedServers().nats.url);
    using dead = await claimPort();
    const url = `nats://127.0.0.1:${dead.port},127.0.0.1:${port}/${uniqueBucket()}?storage=memory&requestTimeout=1s`;
    const backend = await natsBackendFromUrl(url);
    await backend.setup();
    expect(await putNow(backend, "a", "x", null)).toBeTypeOf("string");
    await backend.close();
    await expect(backend.get(["a"])).rejects.toThrow(ClosedError);
  });

  test("where nothing listens is reported soon, with the hosts and what to check", async () => {
    using dead = await claimPort();
    const url = `nats://me:s3cret@127.0.0.1:${dead.port},localhost:${dead.port}/b`;
    const { error, tookMs } = await failure(natsBackendFromUrl(url));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain(`at 127.0.0.1:${dead.port}, localhost:${dead.port}`);
    expect(error.message).toMatch(/Check that nats-server runs there, that the port is its client port/);
    expect(error.message).not.toContain("s3cret");
    expect(tookMs).toBeLessThan(soonMs);
  });

  test("where somebody listens and says nothing is reported soon", async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on("error", () => socket.destroy())));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { error, tookMs } = await failure(natsBackendFromUrl(`nats://${host},${host},${host}`));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain(host);
    expect(tookMs).toBeLessThan(soonMs);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test("with tls to a server without it is refused, and says so", async () => {
    const url = sharedServers().nats.url.replace("nats:", "tls:");
    const { error } = await failure(natsBackendFromUrl(url));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(/that it speaks TLS/);
  });

  test("with a wrong password or token is denied at once and shows neither", async () => {
    await using server = await natsServer({ config: "authorization { user: me, password: right }" });
    const right = await natsBackendFromUrl(server.url.replace("//", "//me:right@"));
    await right.setup();
    await right.close();
    for (const credentials of ["me:wr0ng@", "wr0ng@", ""]) {
      const { error, tookMs } = await failure(
        natsBackendFromUrl(server.url.replace("//", `//${credentials}`)),
      );
      expect(error).toBeInstanceOf(PermissionDeniedError);
      expect(error.message).not.toContain("wr0ng");
      expect(tookMs).toBeLessThan(5_000);
    }
  });
});

/** Connects in a Node of its own that lacks these packages, and gives what it printed. */
async function without(packages: readonly string[], url: string): Promise<string> {
  const entry = join(import.meta.dirname, "../../src/backends/nats/index.ts");
  const script = `
    import { registerHooks } from "node:module";
    const lacking = ${JSON.stringify(packages)};
    registerHooks({
      resolve(specifier, context, next) {
        if (!lacking.includes(specifier)) return next(specifier, context);
        throw Object.assign(new Error("Cannot find package '" + specifier + "'"), { code: "ERR_MODULE_NOT_FOUND" });
      },
    });
    const { natsBackendFromUrl } = await import(${JSON.stringify(entry)});
    try {
      const backend = await natsBackendFromUrl(${JSON.stringify(url)});
      await backend.setup();
      console.log("connected");
      await backend.close();
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  const { stdout } = await runCommand([process.execPath, "--input-type=module", "--eval", script]);
  return stdout;
}

describe("with client packages missing,", () => {
  test("either one is enough", async () => {
    const url = `${sharedServers().nats.url}/${uniqueBucket()}?storage=memory`;
    expect(await without(["@nats-io/transport-node"], url)).toBe("connected\n");
    expect(await without(["nats"], url)).toBe("connected\n");
  });

  test("it says what to install", async () => {
    const printed = await without(["@nats-io/transport-node", "nats"], sharedServers().nats.url);
    expect(printed).toMatch(/^MISSING_DEPENDENCY .*npm install @nats-io\/transport-node/);
  });
});
