/**
 * What `pending` comes to; rejects with the signal's reason as soon as that fires. Does not stop what is under way: what
 * comes of it later is for the caller to give back.
 */
export async function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return pending;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([aborted, pending]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
