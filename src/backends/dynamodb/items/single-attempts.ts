import { Failure } from "../failure.ts";
import type { DynamodbClient } from "../options.ts";

interface Command {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: unknown) => Promise<unknown>) => (args: unknown) => Promise<unknown>,
      options: { readonly step: "finalizeRequest"; readonly priority: "low"; readonly name: string },
    ): void;
  };
}

interface SdkClient {
  readonly config?: unknown;
  send(command: Command, options: unknown): Promise<unknown>;
}

/** The name is unknown to the SDK, so that it does not try again; the error itself is no `cause`, where it would look. */
class Ended extends Error {
  override readonly name = "Ended";
  readonly error: unknown;

  constructor(error: unknown) {
    super("an attempt that the client must not repeat");
    this.error = error;
  }
}

/**
 * The same client, without repetitions of its own: whatever its `maxAttempts`, a request whose fate is not known is not
 * sent a second time behind our back, where it would count an increment twice. It may still repeat what was certainly
 * refused, for example to correct its clock.
 */
export function singleAttempts(client: DynamodbClient): DynamodbClient {
  const sdk = client as unknown as SdkClient;
  const send = async (command: Command, options: unknown): Promise<unknown> => {
    let ended: Ended | undefined;
    // Behind the SDK's own loop, so it sees every attempt.
    command.middlewareStack.add(
      (next) => async (args) => {
        if (ended !== undefined) throw ended;
        try {
          return await next(args);
        } catch (error) {
          const { kind } = new Failure(error, false);
          if (kind !== "unknown" && kind !== "busy") throw error;
          ended = new Ended(error);
          throw ended;
        }
      },
      { step: "finalizeRequest", priority: "low", name: "leaseholdSingleAttempt" },
    );
    try {
      return await sdk.send(command, options);
    } catch (error) {
      throw onlyAttempt(ended === undefined ? error : ended.error);
    }
  };
  return { config: sdk.config, send } as unknown as DynamodbClient;
}

/** Attempts before this one, if any, were certainly not applied. */
function onlyAttempt(error: unknown): unknown {
  if (typeof error !== "object" || error === null) return error;
  const { $metadata } = error as { $metadata?: object };
  return Object.assign(error, { $metadata: { ...$metadata, attempts: 1 } });
}
