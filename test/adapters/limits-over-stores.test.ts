// Goal: two instances of a service that share nothing but a real store let through exactly the limit.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { rateLimit } from "express-rate-limit";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { expressRateLimitStore, type HitStoreOptions } from "../../src/adapters/express-rate-limit.ts";
import { type Coordinator, connect } from "../../src/index.ts";
import { localDynamodbSettings } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { storm, urlOf } from "./limited-service.ts";

const folder = mkdtempSync(join(tmpdir(), "leasehold-limits-"));
const servers: Server[] = [];
const coordinators: Coordinator[] = [];
const run = `limits-${process.pid}-${Date.now()}`;

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await Promise.all(coordinators.splice(0).map((coordinator) => coordinator.close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function serve(url: string, options: HitStoreOptions): Promise<string> {
  const coordinator = await connect(url);
  coordinators.push(coordinator);
  const app = express();
  app.use(rateLimit({ windowMs: 600_000, limit: 25, store: expressRateLimitStore(coordinator, options) }));
  app.get("/", (_request, response) => {
    response.send("hello");
  });
  const server = app.listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return urlOf(server);
}

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => `sqlite:${join(folder, "limits.db")}`,
  nats: () => `${sharedServers().nats.url}/${run}`,
  dynamodb: () => {
    const { region, credentials } = localDynamodbSettings;
    process.env.AWS_ACCESS_KEY_ID ??= credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY ??= credentials.secretAccessKey;
    return `dynamodb://${region}/${run}?endpoint=${encodeURIComponent(sharedServers().dynamodb.url)}`;
  },
};

describe.each(Object.entries(stores))("over %s", (_name, urlOfStore) => {
  test.each(["exact", "leased"] as const)("with decisions that are %s", async (mode) => {
    // Servers of tests may be slow.
    const options: HitStoreOptions = { name: `api ${mode}`, mode, timeout: "1m" };
    const urls = [await serve(urlOfStore(), options), await serve(urlOfStore(), options)];
    const first = await storm(urls, 100);
    const second = await storm(urls, 50);
    const allowed = (first[200] ?? 0) + (second[200] ?? 0);
    expect(allowed + (first[429] ?? 0) + (second[429] ?? 0)).toBe(150);
    // What one instance holds in advance, the other cannot have.
    if (mode === "exact") expect(allowed).toBe(25);
    else expect(allowed).toBeLessThanOrEqual(25);
    expect(allowed).toBeGreaterThan(0);
  });
});
