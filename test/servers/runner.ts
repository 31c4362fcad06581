/**
 * One server process that can be ended and started again on the same port and store: a local program or a
 * container. All methods resolve when what they say is true, and do nothing when it is true already.
 */
export interface Runner {
  /** Process id on this machine; null in a container and while it does not run. */
  readonly pid: number | null;
  /** Starts it; resolves when it runs, which is before it answers. */
  start(): Promise<void>;
  /** Ends it in order: it may finish what it does. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open and nothing is answered. */
  pause(): Promise<void>;
  /** Lets it go on after {@link Runner.pause}. */
  resume(): Promise<void>;
  /** Whether it has ended by itself since it was started, and why, as far as that is known. */
  failure(): Promise<string | null>;
  /** Everything that it has printed since it was first started. */
  log(): Promise<string>;
  /** Ends it and deletes its store. */
  remove(): Promise<void>;
}
