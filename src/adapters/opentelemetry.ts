import type { Coordinator } from "../coordinator.ts";
import type { Unsubscribe } from "../core/backend.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { CoordinatorEvents, EventSubject } from "../core/events.ts";
import { checkOptions } from "../core/options.ts";

/** Attributes of a span or of a measurement. */
export type TelemetryAttributes = Record<string, string | number | boolean>;

/** What this adapter uses of a span of `@opentelemetry/api`. */
export interface TelemetrySpan {
  recordException(exception: Error): void;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/** What this adapter uses of a tracer of `@opentelemetry/api`. */
export interface TelemetryTracer {
  startActiveSpan<R>(
    name: string,
    options: { attributes: TelemetryAttributes },
    work: (span: TelemetrySpan) => R,
  ): R;
}

/** What this adapter uses of a meter of `@opentelemetry/api`. */
export interface TelemetryMeter {
  createHistogram(
    name: string,
    options: { description: string; unit: string },
  ): { record(value: number, attributes: TelemetryAttributes): void };
  createCounter(
    name: string,
    options: { description: string },
  ): { add(value: number, attributes: TelemetryAttributes): void };
}

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** `trace.getTracer("...")`: a span around the work of every `hold`. */
  readonly tracer?: TelemetryTracer;
  /** `metrics.getMeter("...")`: waits, holds, losses, takeovers, heartbeats. */
  readonly meter?: TelemetryMeter;
  /**
   * The attribute `leasehold.name` of measurements, made from the name: each value is a time series of its own. Default:
   * none. Spans always carry the name.
   */
  readonly nameAttribute?: (subject: EventSubject) => string | undefined;
}

/** `SpanStatusCode.ERROR` of `@opentelemetry/api`. */
const spanStatusError = 2;

/**
 * Tells OpenTelemetry what a coordinator does, from now on until the answer is called. It works with whatever version
 * of `@opentelemetry/api` the tracer and the meter come from, and loads none itself. The names of instruments and
 * attributes stand in `docs/observability.md`.
 *
 * @throws InvalidArgumentError where there is neither a tracer nor a meter, or one that is none.
 * @example
 * ```ts
 * import { metrics, trace } from "@opentelemetry/api";
 * import { connect } from "leasehold";
 * import { instrument } from "leasehold/opentelemetry";
 *
 * await using coordinator = await connect("memory:");
 * const stop = instrument(coordinator, {
 *   tracer: trace.getTracer("my-service"),
 *   meter: metrics.getMeter("my-service"),
 * });
 * await coordinator.lock("report").hold(() => undefined); // a span, and two measurements
 * stop();
 * ```
 */
export function instrument(
  coordinator: Pick<Coordinator, "on" | "wrapHold">,
  options: InstrumentOptions,
): Unsubscribe {
  checkOptions("instrument", options, ["tracer", "meter", "nameAttribute"]);
  const { tracer, meter, nameAttribute } = options ?? {};
  if (tracer === undefined && meter === undefined) {
    throw new InvalidArgumentError("instrument needs a tracer, a meter, or both");
  }
  if (tracer !== undefined && typeof tracer.startActiveSpan !== "function") {
    throw new InvalidArgumentError(`tracer must be a tracer of @opentelemetry/api; got ${describe(tracer)}`);
  }
  if (meter !== undefined && typeof meter.createHistogram !== "function") {
    throw new InvalidArgumentError(`meter must be a meter of @opentelemetry/api; got ${describe(meter)}`);
  }
  const stops = [
    ...(tracer === undefined ? [] : [traceHolds(coordinator, tracer)]),
    ...(meter === undefined ? [] : measure(coordinator, meter, nameAttribute)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function traceHolds(coordinator: Pick<Coordinator, "wrapHold">, tracer: TelemetryTracer): Unsubscribe {
  return coordinator.wrapHold(({ kind, name, fence }, work) => {
    const attributes = { "leasehold.kind": kind, "leasehold.name": name, "leasehold.fence": fence };
    return tracer.startActiveSpan(`hold ${kind}`, { attributes }, async (span) => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof Error) span.recordException(error);
        span.setStatus({ code: spanStatusError, message: String(error) });
        throw error;
      } finally {
        span.end();
      }
    });
  });
}

function measure(
  coordinator: Pick<Coordinator, "on">,
  meter: TelemetryMeter,
  nameAttribute: InstrumentOptions["nameAttribute"],
): readonly Unsubscribe[] {
  const seconds = (name: string, description: string) =>
    meter.createHistogram(name, { description, unit: "s" });
  const acquire = seconds("leasehold.acquire.duration", "From asking for a grant to getting it, or not");
  const hold = seconds("leasehold.hold.duration", "From getting a grant to its end");
  const beat = seconds("leasehold.heartbeat.duration", "From sending a heartbeat to its answer");
  const late = seconds("leasehold.heartbeat.delay", "How much later than planned heartbeats were sent");
  const losses = meter.createCounter("leasehold.leases.lost", { description: "Grants that were lost" });
  const takeovers = meter.createCounter("leasehold.takeovers", {
    description: "Sessions of others that this process declared dead",
  });
  const attributesOf = (subject: EventSubject, more: TelemetryAttributes): TelemetryAttributes => {
    const name = nameAttribute?.(subject);
    return { "leasehold.kind": subject.kind, ...(name !== undefined && { "leasehold.name": name }), ...more };
  };
  const onEnd = (event: CoordinatorEvents["released" | "lost"], how: string): void =>
    hold.record(event.heldMs / 1_000, attributesOf(event, { "leasehold.end": how }));
  return [
    coordinator.on("acquired", (event) =>
      acquire.record(event.waitMs / 1_000, attributesOf(event, { "leasehold.contended": event.isContended })),
    ),
    coordinator.on("refused", (event) =>
      acquire.record(event.waitMs / 1_000, attributesOf(event, { "error.type": event.code })),
    ),
    coordinator.on("released", (event) => onEnd(event, "released")),
    coordinator.on("lost", (event) => {
      onEnd(event, "lost");
      losses.add(1, attributesOf(event, {}));
    }),
    coordinator.on("heartbeat", ({ roundTripMs, lateMs, error }) => {
      beat.record(roundTripMs / 1_000, error === undefined ? {} : { "error.type": error.code });
      late.record(lateMs / 1_000, {});
    }),
    coordinator.on("takeover", () => takeovers.add(1, {})),
  ];
}
