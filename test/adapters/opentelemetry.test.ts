// Goal: the real OpenTelemetry API and SDK get spans around holds, and measurements of waits, holds, losses and beats.
import { context, type Meter, type Tracer, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { instrument } from "../../src/adapters/opentelemetry.ts";
import { plant } from "../locks/faults.ts";
import { createWorld, deathMs, now, track, ttlMs } from "../locks/world.ts";

describe("spans", () => {
  const spans = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const tracer: Tracer = provider.getTracer("test");

  beforeEach(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    spans.reset();
  });
  afterEach(() => context.disable());

  test("stand around the work of a hold, and are the parents of what it does", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { coordinator, lock } = world.client(0);
    const stop = instrument(coordinator, { tracer });
    const fence = await now(
      runtime,
      lock.hold(async (grant) => {
        await Promise.resolve();
        tracer.startSpan("inner").end();
        expect(trace.getActiveSpan()).toBeDefined();
        return grant.fence;
      }),
    );
    const [inner, outer] = spans.getFinishedSpans();
    expect(outer).toMatchObject({
      name: "hold lock",
      attributes: { "leasehold.kind": "lock", "leasehold.name": "job", "leasehold.fence": fence },
      status: { code: 0 },
    });
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
    stop();
    await now(
      runtime,
      lock.hold(() => undefined),
    );
    expect(spans.getFinishedSpans()).toHaveLength(2);
  });

  test("of work that fails say so, and the error goes on to the caller", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { coordinator, lock } = world.client(0);
    instrument(coordinator, { tracer });
    const outcome = track(
      runtime,
      lock.hold(() => {
        throw new Error("no paper");
      }),
    );
    await runtime.settle();
    expect(outcome.error).toMatchObject({ message: "no paper" });
    const [span] = spans.getFinishedSpans();
    expect(span).toMatchObject({ status: { code: 2, message: "Error: no paper" } });
    expect(span?.events).toMatchObject([{ name: "exception" }]);
  });
});

describe("measurements", () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 86_400_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const meter: Meter = provider.getMeter("test");

  /** Every point that was measured since the last call: name, attributes, and count or sum. */
  async function measured(): Promise<Record<string, unknown>> {
    await reader.forceFlush();
    const metrics = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    exporter.reset();
    return Object.fromEntries(
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => [
          [descriptor.name, ...Object.entries(attributes).map(([key, text]) => `${key}=${text}`)].join(" "),
          typeof value === "number"
            ? value
            : { count: value.count, sum: "sum" in value ? value.sum : undefined },
        ]),
      ),
    );
  }

  test("tell of waits, holds, losses, takeovers and heartbeats, in seconds", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [holder, taker] = [world.client(0), world.client(1)];
    for (const { coordinator } of [holder, taker]) {
      instrument(coordinator, { meter, nameAttribute: ({ name }) => name });
    }
    const grant = await now(runtime, holder.lock.acquire());
    await now(runtime, taker.lock.tryAcquire());
    await runtime.advance(500);
    await now(runtime, grant.release());
    const kind = "leasehold.kind=lock leasehold.name=job";
    expect(await measured()).toMatchObject({
      [`leasehold.acquire.duration ${kind} leasehold.contended=false`]: { count: 1, sum: 0 },
      [`leasehold.acquire.duration ${kind} error.type=HELD`]: { count: 1 },
      [`leasehold.hold.duration ${kind} leasehold.end=released`]: { count: 1, sum: 0.5 },
    });
    await now(runtime, holder.lock.acquire());
    plant(holder.backend, "lost before", () => true);
    const next = track(runtime, taker.lock.acquire());
    await runtime.advance(deathMs + ttlMs);
    expect(next.state).toBe("resolved");
    const later = await measured();
    expect(later).toMatchObject({
      [`leasehold.leases.lost ${kind}`]: 1,
      [`leasehold.hold.duration ${kind} leasehold.end=lost`]: { count: 1 },
      [`leasehold.acquire.duration ${kind} leasehold.contended=true`]: { count: 1 },
      "leasehold.takeovers": 1,
    });
    expect(Object.keys(later)).toEqual(
      expect.arrayContaining([
        "leasehold.heartbeat.duration error.type=UNAVAILABLE",
        "leasehold.heartbeat.duration",
        "leasehold.heartbeat.delay",
      ]),
    );
  });

  test("carry no names unless they are asked for", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { coordinator, lock } = world.client(0);
    const stop = instrument(coordinator, { meter });
    await now(runtime, (await now(runtime, lock.acquire())).release());
    expect(Object.keys(await measured()).sort()).toEqual([
      "leasehold.acquire.duration leasehold.kind=lock leasehold.contended=false",
      "leasehold.hold.duration leasehold.kind=lock leasehold.end=released",
    ]);
    stop();
    await now(runtime, lock.acquire());
    expect(await measured()).toEqual({});
  });
});

test("what is no tracer or meter is refused", () => {
  const { coordinator } = createWorld().client(0);
  const refused = (options: object) => expect(() => instrument(coordinator, options as { meter: Meter }));
  refused({}).toThrow(/a tracer, a meter, or both/);
  refused({ meter: {} }).toThrow(/meter must be a meter of @opentelemetry\/api; got an object/);
  refused({ tracer: 1 }).toThrow(/tracer must be a tracer/);
  refused({ metre: {} }).toThrow(/no option "metre"/);
});
