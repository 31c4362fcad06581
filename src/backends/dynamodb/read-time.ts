import type { StoreTime } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { Failure } from "./failure.ts";
import type { Requester } from "./requester.ts";
import { probeKey } from "./table-setup.ts";

/** What leasehold needs of a command of the SDK to see its answers before they are decoded. */
interface ObservableCommand {
  readonly middlewareStack?: {
    add(
      middleware: (next: (args: unknown) => Promise<HttpResult>) => (args: unknown) => Promise<HttpResult>,
      options: { readonly step: "deserialize"; readonly priority: "low"; readonly name: string },
    ): void;
  };
}

interface HttpResult {
  readonly response?: { readonly headers?: Readonly<Record<string, string | undefined>> };
}

/** A header `Date` tells whole seconds. */
const grainMs = 1_000;

/** The clock of the host that answers, by the header `Date` of an eventually consistent read: half a read unit. */
export async function readTime(requester: Requester): Promise<StoreTime> {
  const { runtime, settings } = requester;
  let sentMs = 0;
  let date: string | undefined;
  const observe = (command: object): void => {
    (command as ObservableCommand).middlewareStack?.add(
      (next) => async (args) => {
        // Of each attempt: a client that repeats by itself would make the last answer look late.
        sentMs = runtime.monotonicMs();
        const result = await next(args);
        date = result.response?.headers?.date;
        return result;
      },
      { step: "deserialize", priority: "low", name: "leaseholdDate" },
    );
  };
  try {
    await requester.request(
      "GetItem",
      { TableName: settings.table, Key: probeKey(settings.layout) },
      { observe },
    );
  } catch (error) {
    // Credentials may be limited to some keys by dynamodb:LeadingKeys; the refusal tells the time as well.
    const isTold = error instanceof Failure && error.kind === "denied" && date !== undefined;
    if (!isTold) throw requester.toError(error, "GetItem");
  }
  const earliestMs = Date.parse(date ?? "");
  if (Number.isNaN(earliestMs)) {
    throw new UnsupportedError(
      `the answers of ${requester.place} have no header Date that could be read (got ${date ?? "none"}), so the store's ` +
        "clock is unknown; what counts on it, such as rate limits, needs a client of @aws-sdk/client-dynamodb and an " +
        "endpoint that sends Date",
    );
  }
  return { earliestMs, latestMs: earliestMs + grainMs + runtime.monotonicMs() - sentMs };
}
