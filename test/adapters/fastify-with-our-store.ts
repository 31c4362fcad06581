/**
 * Loaded before the tests that @fastify/rate-limit publishes: their plugin keeps its hits in a store of ours, instead of
 * in memory or in the Redis that they make. Time is what `Date` shows, which they set.
 */
import { createRequire, registerHooks } from "node:module";
import type { RateLimitPluginOptions } from "@fastify/rate-limit";
import type { FastifyInstance } from "fastify";
import { fastifyRateLimitStore } from "../../src/adapters/fastify-rate-limit.ts";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { UnavailableError } from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";

const require = createRequire(import.meta.url);
const realTimers = { setTimeout, clearTimeout };
const runtime = {
  ...systemRuntime,
  monotonicMs: () => Date.now(),
  wallMs: () => Date.now(),
  schedule(delayMs: number, callback: () => void) {
    const timer = realTimers.setTimeout(callback, delayMs);
    timer.unref();
    return () => realTimers.clearTimeout(timer);
  },
};

/** What stands for the client of a Redis, as far as those tests use one. */
class OurRedis {
  readonly coordinator: Coordinator;
  #isAway = false;

  constructor() {
    const backend = observeBackend(memoryBackend({ runtime }));
    backend.intercept((_request, send) =>
      this.#isAway ? Promise.reject(new UnavailableError("Connection is closed.")) : send(),
    );
    this.coordinator = createCoordinator(backend, { runtime });
  }

  async flushall(): Promise<void> {
    // Each client has a store of its own.
  }

  async quit(): Promise<void> {
    this.#isAway = true;
  }

  disconnect(): void {
    this.#isAway = true;
  }
}

type Settings = Omit<RateLimitPluginOptions, "redis"> & { redis?: OurRedis };
type Plugin = ((app: FastifyInstance, settings: Settings) => Promise<void>) &
  Record<string | symbol, unknown>;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const isTheirs = context.parentURL?.includes("/@fastify/rate-limit/test/") ?? false;
    if (isTheirs && specifier === "ioredis") return { url: "our:redis", shortCircuit: true };
    if (isTheirs && /^(\.\.\/)+index$/.test(specifier)) return { url: "our:plugin", shortCircuit: true };
    return nextResolve(specifier, context);
  },
  load(url, context, nextLoad) {
    if (!url.startsWith("our:")) return nextLoad(url, context);
    const what = JSON.stringify(url.slice("our:".length));
    const source = `module.exports = globalThis[Symbol.for("leasehold.test.fastify")][${what}];`;
    return { format: "commonjs", source, shortCircuit: true };
  },
});

const plugin = require("@fastify/rate-limit") as Plugin;
const ours = Object.assign((app: FastifyInstance, settings: Settings = {}) => {
  const { redis, ...rest } = settings;
  const { coordinator } = redis ?? new OurRedis();
  const name = String(rest.nameSpace ?? "api");
  return plugin(app, { store: fastifyRateLimitStore(coordinator, { name }), ...rest });
}, plugin);
for (const symbol of Object.getOwnPropertySymbols(plugin)) {
  Object.defineProperty(ours, symbol, { value: plugin[symbol] });
}
Object.assign(globalThis, {
  [Symbol.for("leasehold.test.fastify")]: { redis: OurRedis, plugin: ours },
});
