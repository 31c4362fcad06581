// Goal: `leasehold provision nats` makes the bucket that it is told to, and prints for others what they need to make it.
import { execFileSync } from "node:child_process";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { natsProvisioning } from "../../src/backends/nats/index.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { askJetStream, uniqueBucket } from "../backends/nats-clients.ts";
import { sharedServers } from "../servers/shared.ts";
import { makePlace } from "./cli-process.ts";

const provision = ["provision", "nats"];

test("it makes the bucket, then finds that it will do, and refuses one that will not", async () => {
  await using place = makePlace();
  const bucket = uniqueBucket();
  const url = `${sharedServers().nats.url}/${bucket}`;
  const options = ["--max-bytes", "10000000", "--max-value-bytes", "200000", "--compression"];
  const made = await place.run([...provision, "-u", url, ...options, "--description", "ours & yours"]);
  const { version } = sharedServers().nats;
  const ready = `the bucket ${bucket} is ready, on nats-server ${version}\n`;
  expect(made).toMatchObject({ exitCode: 0, stdout: ready, stderr: "" });
  const connection = await connect({ servers: sharedServers().nats.url });
  const { config } = await askJetStream(connection, `STREAM.INFO.KV_${bucket}`);
  const wanted = { max_bytes: 10_000_000, max_msg_size: 200_512, compression: "s2" };
  expect(config).toMatchObject({ ...wanted, description: "ours & yours" });
  const again = await place.run(provision, { LEASEHOLD_URL: url });
  expect(again).toMatchObject({ exitCode: 0, stdout: ready });
  const more = await place.run([...provision, "-u", url, "--replicas", "3"]);
  expect(more).toMatchObject({ exitCode: exitCodes.configuration, stdout: "" });
  expect(more.stderr).toMatch(/found 1 replicas, expected 3/);
  const copy = uniqueBucket();
  const mirror = await place.run([...provision, "-u", url, "--bucket", copy, "--mirror", bucket]);
  expect(mirror.stdout).toContain(`the read-only bucket ${copy} is ready`);
  const lock = await place.run(["lock", "x", "-u", url.replace(bucket, copy), "--", "true"]);
  expect(lock.stderr).toMatch(/is a copy, which is only read/);
  expect(lock.exitCode).not.toBe(0);
  for (const name of [copy, bucket]) await askJetStream(connection, `STREAM.DELETE.KV_${name}`);
  await connection.close();
});

test("it prints the same texts as the library, without a server", async () => {
  await using place = makePlace();
  const print = async (...args: string[]) => {
    const result = await place.run([...provision, ...args]);
    expect(result).toMatchObject({ exitCode: 0, stderr: "" });
    return result.stdout;
  };
  const stream = JSON.parse(
    await print("--bucket", "jobs", "--tags", "ssd,north", "--cluster", "east", "--print", "stream"),
  );
  const firstSequence = stream.first_seq;
  const placement = { cluster: "east", tags: ["ssd", "north"] };
  expect(stream).toEqual(
    JSON.parse(natsProvisioning("stream", { bucket: "jobs", placement, firstSequence })),
  );
  const reader = ["--role", "read-only", "--inbox-prefix", "_INBOX.ro"];
  const user = { bucket: "jobs", role: "read-only", inboxPrefix: "_INBOX.ro" } as const;
  expect(await print("-u", "nats://a,b/jobs", "--print", "permissions", ...reader)).toBe(
    natsProvisioning("permissions", user),
  );
  expect(await print("--print", "nsc", "--sweep")).toBe(
    natsProvisioning("nsc", { bucket: "leasehold", sweep: true }),
  );
  const command = await print("--print", "nats-cli", "--sources", "one,hub/two");
  const body = execFileSync("sh", ["-c", `nats() { printf %s "$3"; }; ${command}`]).toString();
  expect(JSON.parse(body).sources).toHaveLength(2);
});

test.each([
  [
    "no URL",
    [],
    /needs --url .*4222\/bucket; LEASEHOLD_URL is "sqlite:.*store\.db", of another kind of store$/m,
  ],
  [
    "another store",
    ["-u", "sqlite:x.db"],
    /needs --url .*; --url is "sqlite:x\.db", of another kind of store$/m,
  ],
  ["an argument", ["jobs"], /takes options only; got jobs/],
  ["an unknown text", ["--print", "terraform"], /Allowed choices are stream, nats-cli, permissions, nsc/],
  ["an unknown role", ["--print", "nsc", "--role", "admin"], /Allowed choices are runtime, setup, read-only/],
  ["a bad number", ["--print", "stream", "--replicas", "many"], /replicas must be 1 to 5/],
  ["a bad bucket", ["--print", "stream", "--bucket", "a.b"], /bucket must be .*got "a\.b"/],
  ["mirror and sources", ["--print", "stream", "--mirror", "a", "--sources", "b"], /not both/],
] as const)("%s is refused in one line with exit code 64", async (_what, args, message) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await place.run([...provision, ...args]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect(stdout).toBe("");
  expect(exitCode).toBe(exitCodes.usage);
});
