// Preloaded into a worker: puts its wall clock forward or back, as the clock of another machine might be.
const skewMs = Number(process.env.LEASEHOLD_TEST_SKEW_MS);
const TrueDate = Date;

class SkewedDate extends TrueDate {
  constructor(...parameters: [] | [number | string | Date]) {
    super(...((parameters.length === 0 ? [TrueDate.now() + skewMs] : parameters) as [number]));
  }

  static override now(): number {
    return TrueDate.now() + skewMs;
  }
}

globalThis.Date = SkewedDate as DateConstructor;
