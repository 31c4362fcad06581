import {
  LimitExceededError,
  OutcomeUnknownError,
  StoreMisconfiguredError,
  UnavailableError,
  UnsupportedError,
} from "../../core/errors.ts";
import { WriteInFlightError } from "./retry-not-applied.ts";

/** What the stream answered to a write. */
export type PublishAnswer =
  | { readonly stored: true; readonly sequence: number }
  /** The expectation did not hold. `lastSequence` is what stands there (0: nothing), where the server tells. */
  | { readonly stored: false; readonly lastSequence: number | undefined };

/** The `error` member of a JetStream answer. */
export interface ApiError {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

interface Acknowledgement {
  readonly stream?: unknown;
  readonly seq?: unknown;
  readonly error?: ApiError;
}

/**
 * Reads the answer to a write.
 *
 * @throws OutcomeUnknownError when the answer is not one of a stream.
 * @throws WriteInFlightError, UnavailableError, StoreMisconfiguredError, LimitExceededError, UnsupportedError
 * when the stream refused; nothing was applied.
 */
export function readPublishAnswer(stream: string, subject: string, data: Uint8Array): PublishAnswer {
  const answer = parseAnswer(stream, subject, data);
  if (answer.error === undefined) return { stored: true, sequence: answer.seq as number };
  if (answer.error.err_code === 10071) {
    const match = /wrong last sequence: (\d+)/.exec(answer.error.description ?? "");
    return { stored: false, lastSequence: match === null ? undefined : Number(match[1]) };
  }
  throw refusal(stream, subject, answer.error);
}

function parseAnswer(stream: string, subject: string, data: Uint8Array): Acknowledgement {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
  try {
    const answer = JSON.parse(text) as Acknowledgement;
    if (answer.error !== undefined || (answer.stream === stream && Number.isSafeInteger(answer.seq))) {
      return answer;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new OutcomeUnknownError(
    `the answer to a write on ${subject} does not come from stream ${stream}: ${JSON.stringify(text.slice(0, 120))}. ` +
      "Something else listens on this subject",
  );
}

const transient = new Set([10008, 10009, 10023, 10047, 10158, 10163, 10167, 10176, 10210]);

/** The error for a write that the stream refused. */
function refusal(stream: string, subject: string, error: ApiError): Error {
  const { code = 0, err_code: errorCode = 0, description = "" } = error;
  const said = `stream ${stream} refused a write on ${subject}: ${description} (${errorCode})`;
  if (errorCode === 10164) return new WriteInFlightError(said);
  if (transient.has(errorCode)) return new UnavailableError(`${said}; nothing was applied`, { cause: error });
  if (errorCode === 10077) return storeFailure(stream, said, description, error);
  if (errorCode === 10054) {
    return new LimitExceededError(`${said}. Raise it: nats stream edit ${stream} --max-msg-size=-1`);
  }
  if (errorCode === 10199) {
    return new LimitExceededError(
      `${said}. Commit fewer operations at once, or raise the server's batch limit`,
    );
  }
  if ([10109, 10165, 10166, 10174].includes(errorCode)) {
    return new StoreMisconfiguredError(
      `${said}. The bucket was changed while in use; restore the setting (nats stream info ${stream}) or reconnect`,
    );
  }
  if (code >= 400 && code < 500)
    return new UnsupportedError(`${said}; nothing was applied`, { cause: error });
  return new OutcomeUnknownError(`${said}; whether anything was stored is not known`, { cause: error });
}

function storeFailure(stream: string, said: string, description: string, error: ApiError): Error {
  if (/message size exceeds/.test(description)) {
    return new LimitExceededError(`${said}. Raise it: nats stream edit ${stream} --max-msg-size=-1`);
  }
  if (/maximum (bytes|messages|messages per subject) exceeded/.test(description)) {
    return new UnavailableError(
      `${said}: the bucket is full, nothing was applied. Delete records, or raise the limit: ` +
        `nats stream edit ${stream} --max-bytes=-1 --max-msgs=-1`,
      { cause: error },
    );
  }
  // A failing disk may have taken the message before it failed.
  return new OutcomeUnknownError(`${said}; whether it was stored is not known`, { cause: error });
}
