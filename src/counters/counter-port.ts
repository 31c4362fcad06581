import type { Bounds, CounterAnswer, CounterCommand } from "./counter-command.ts";

/** One counter's way to its record. */
export interface CounterPort<N> {
  add(delta: N, bounds: Bounds<N>, signal: AbortSignal | undefined): Promise<N>;
  run(command: CounterCommand<N>, signal: AbortSignal | undefined): Promise<CounterAnswer<N>>;
  /** What stands in the store. */
  read(): Promise<N>;
}

/** Which record a counter stands in. */
export interface CounterPlace {
  readonly key: string;
  /** For messages: `counter "visits"`. */
  readonly subject: string;
}
