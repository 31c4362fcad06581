// Goal: a layer imports only what stands below it, so that a primitive never learns of a backend, and nobody
// loads a client that he does not use.
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { entryPoints, glob, importsOf, root } from "./sources.ts";

const primitives = [
  "administration",
  "locks",
  "barriers",
  "schedules",
  "elections",
  "groups",
  "counters",
  "sequences",
  "limiters",
  "kv",
  "transactions",
  "once",
  "web-locks",
] as const;
const below = ["core", "sessions", "roster", "records", "codecs"] as const;

/** What each layer may import besides itself. A new folder needs a line here. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  "backends/memory": ["core"],
  "backends/sqlite": ["core"],
  "backends/nats": ["core"],
  "backends/dynamodb": ["core"],
  sessions: ["core"],
  roster: ["core", "sessions"],
  records: ["core"],
  codecs: ["core"],
  fencing: ["core"],
  ...Object.fromEntries(primitives.map((primitive) => [primitive, below])),
  transactions: [...below, "kv"],
  once: [...below, "kv"],
  "coordinator.ts": [...below, ...primitives, "open-coordinator.ts"],
  "open-coordinator.ts": [...below, ...primitives, "coordinator.ts"],
  adapters: ["core", "codecs", "schedules", "limiters", "kv", "coordinator.ts"],
  "open-backend.ts": ["core"],
  heartbeat: ["core", "sessions", "open-backend.ts"],
  "connect.ts": ["core", "heartbeat", "open-backend.ts", "coordinator.ts"],
  "index.ts": [...below, ...primitives, "fencing", "coordinator.ts", "connect.ts"],
  testing: [...below, ...primitives, "coordinator.ts"],
  cli: [],
};

/** What is loaded when a URL asks for it, and nobody else. */
const backendEntry = /^src\/backends\/\w+\/index\.ts$/;

/** The programs above the library use what every user can, and the clocks. */
const programs = ["cli"];
const forPrograms = [...entryPoints().map(({ path }) => path), "src/core/runtime.ts"];

function layerOf(path: string): string {
  const [first = "", second = ""] = relative("src", path).split("/");
  return first === "backends" ? `${first}/${second}` : first;
}

test("every source file belongs to a layer", () => {
  const layers = new Set(glob("src/**/*.ts").map(layerOf));
  expect([...layers].filter((layer) => mayImport[layer] === undefined)).toEqual([]);
});

test("a layer imports only what stands below it", () => {
  const violations = glob("src/**/*.ts").flatMap((path) =>
    importsOf(path).flatMap(({ specifier, isDynamic, place }) => {
      if (!specifier.startsWith(".")) return [];
      const target = join(dirname(path), specifier);
      const [from, to] = [layerOf(path), layerOf(target)];
      const isAllowed =
        from === to ||
        mayImport[from]?.includes(to) === true ||
        (programs.includes(from) && forPrograms.includes(target)) ||
        (path === "src/open-backend.ts" && isDynamic && backendEntry.test(target));
      return isAllowed ? [] : [`${place} ${from} imports ${target}`];
    }),
  );
  expect(violations).toEqual([]);
});

test("imports name files that exist, with their extension", () => {
  const broken = glob("{src,test,scripts,bench,examples}/**/*.ts").flatMap((path) =>
    importsOf(path).flatMap(({ specifier, place }) =>
      specifier.startsWith(".") && !existsSync(join(root, dirname(path), specifier))
        ? [`${place} ${specifier}`]
        : [],
    ),
  );
  expect(broken).toEqual([]);
});

test("only what needs an optional package names it, and loads it on use", () => {
  const owners: Readonly<Record<string, string>> = {
    nats: "backends/nats",
    "@nats-io": "backends/nats",
    "@aws-sdk": "backends/dynamodb",
    "node:sqlite": "backends/sqlite",
    "express-rate-limit": "adapters",
    "@fastify": "adapters",
    hono: "adapters",
    "hono-rate-limiter": "adapters",
    "@nestjs": "adapters",
    "rate-limiter-flexible": "adapters",
  };
  const violations = glob("src/**/*.ts").flatMap((path) =>
    importsOf(path).flatMap(({ specifier, isDynamic, isTypeOnly, place }) => {
      const owner = owners[specifier.startsWith("node:") ? specifier : (specifier.split("/")[0] ?? "")];
      if (owner === undefined) return [];
      if (owner !== layerOf(path)) return [`${place} ${layerOf(path)} names ${specifier}`];
      const isFree = isDynamic || isTypeOnly || specifier.startsWith("node:");
      return isFree ? [] : [`${place} loads ${specifier} at import`];
    }),
  );
  expect(violations).toEqual([]);
});
