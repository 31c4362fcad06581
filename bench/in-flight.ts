/** Calls of one kind, always so many in flight at a time. */

/** The calls a second that `call` comes to with `inFlight` of them at a time, over `durationMs`. */
export async function callsPerSecond(
  call: () => Promise<unknown>,
  inFlight: number,
  durationMs: number,
): Promise<number> {
  let calls = 0;
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  const one = async (): Promise<void> => {
    while (performance.now() < until) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return (1_000 * calls) / (performance.now() - startedAt);
}
