/**
 * Makes a signal look at the clocks whenever it is asked. A stalled event loop may run the holder's code before
 * the timer of the deadline.
 */
export function watchClocks(signal: AbortSignal, check: () => void): void {
  const { get: isAborted } = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted") ?? {};
  Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get(): boolean {
        check();
        return isAborted?.call(signal) === true;
      },
    },
    throwIfAborted: {
      configurable: true,
      value(): void {
        check();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
}
