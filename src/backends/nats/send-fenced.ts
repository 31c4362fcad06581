import { backoffMs } from "../../core/backoff.ts";
import { OutcomeUnknownError } from "../../core/errors.ts";
import { type Runtime, sleep } from "../../core/runtime.ts";
import { type FencedContent, type FencedState, fencedHeaders, readFenced } from "./fenced-entry.ts";
import { WriteInFlightError } from "./retry-not-applied.ts";
import type { StreamClient } from "./stream-client.ts";

/** How conflicts and unknown outcomes are spread. */
export const fencedPause = { firstMs: 10, maxMs: 250 };

const sendingsMax = 4;

/**
 * Sends a write until it is known what became of it. After an unknown outcome, what stands there tells: this very write,
 * or still what it expects, and then the same message is sent again; whichever copy comes first shuts the others out.
 *
 * @returns its sequence, or null when it was refused because something else stands there: nothing was applied.
 * @throws OutcomeUnknownError when nobody can tell: the store does not answer, or others have written since.
 */
export async function sendFenced(
  client: StreamClient,
  runtime: Runtime,
  key: string,
  content: FencedContent,
  expected: number,
): Promise<number | null> {
  let unknown: unknown;
  for (let sending = 0; sending < sendingsMax; sending += 1) {
    try {
      const headers = fencedHeaders(content, expected);
      const answer = await client.publish(client.subjectPrefix + key, content.value ?? undefined, headers);
      if (answer.stored) return answer.sequence;
      if (unknown === undefined) return null;
    } catch (error) {
      if (unknown === undefined && error instanceof WriteInFlightError) return null;
      if (unknown === undefined && !(error instanceof OutcomeUnknownError)) throw error;
      unknown ??= error;
    }
    const state = await look(client, key, unknown);
    if (state.writeId === content.writeId) return state.sequence;
    if (state.sequence > expected) throw overtaken(key, content, state, unknown);
    await sleep(runtime, backoffMs(runtime, sending, fencedPause), { holdsProcessOpen: true });
  }
  throw stillUnknown(key, unknown);
}

async function look(client: StreamClient, key: string, unknown: unknown): Promise<FencedState> {
  try {
    return await readFenced(client, key);
  } catch (error) {
    throw stillUnknown(key, unknown, error);
  }
}

function stillUnknown(key: string, unknown: unknown, reason?: unknown): OutcomeUnknownError {
  const told = reason instanceof Error ? `: ${reason.message}` : "";
  return new OutcomeUnknownError(
    `a fenced write of ${key} was sent and no answer came, and the store could not be asked what became of it${told}. ` +
      "It may have been applied, or may still be, until something else is written there",
    { cause: unknown },
  );
}

function overtaken(
  key: string,
  { fence }: FencedContent,
  state: FencedState,
  unknown: unknown,
): OutcomeUnknownError {
  const by = state.fence > fence ? `a later holder, with fence ${state.fence},` : "somebody else";
  return new OutcomeUnknownError(
    `a fenced write of ${key} was sent and no answer came, and ${by} has written there since. It may have been ` +
      "applied before that, and will not be any more",
    { cause: unknown },
  );
}
