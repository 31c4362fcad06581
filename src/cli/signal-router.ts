import { constants } from "node:os";

/** Signals by which others tell a program something. Those that a system does not have are left out. */
const routed: readonly NodeJS.Signals[] = (
  ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK"] as const
).filter((signal) => signal in constants.signals);

/** Signals that ask for an end. */
const ending: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"];

/** Signals that the keys of a terminal send to a whole process group. */
export const keyboardSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];

/** Hands the signals that reach this process to whoever is in charge, without a gap from one to the next. */
export interface SignalRouter extends Disposable {
  /** The first signal that asked for an end while nobody took signals over. */
  readonly interruptedBy: NodeJS.Signals | undefined;
  /** Aborts with the first signal that asks for an end while nobody took signals over. */
  readonly interrupted: AbortSignal;
  /** From now on signals go to `listener`. */
  takeOver(listener: (signal: NodeJS.Signals) => void): void;
}

/** Takes over the signals of this process until it is disposed of. */
export function routeSignals(): SignalRouter {
  const interruption = new AbortController();
  let interruptedBy: NodeJS.Signals | undefined;
  let deliver = (signal: NodeJS.Signals): void => {
    if (!ending.includes(signal)) return;
    interruptedBy ??= signal;
    interruption.abort();
  };
  const receive = (signal: NodeJS.Signals): void => deliver(signal);
  for (const signal of routed) process.on(signal, receive);
  return {
    get interruptedBy() {
      return interruptedBy;
    },
    interrupted: interruption.signal,
    takeOver(listener) {
      deliver = listener;
    },
    [Symbol.dispose]() {
      for (const signal of routed) process.removeListener(signal, receive);
    },
  };
}
