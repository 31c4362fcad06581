import type { Backend } from "../../core/backend.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type SqliteBackendOptions, sqliteBackend } from "./sqlite-backend.ts";

const example = "sqlite:./leasehold.db or sqlite:/var/lib/app/leasehold.db?durable=true";

/**
 * The backend for a URL: `sqlite:` and the path of the file, relative to the working directory unless it begins with
 * `/`, with `?durable=true` if wanted. Bytes that a URL cannot hold are written as `%XX`, and so are `?`, `#`, `%`.
 *
 * @throws InvalidArgumentError for another scheme, no path, `:memory:`, or an unknown parameter.
 */
export async function sqliteBackendFromUrl(
  url: string,
  options: { readonly runtime?: Runtime } = {},
): Promise<Backend> {
  return sqliteBackend({ ...parseSqliteUrl(url), ...options });
}

/** The options that a URL stands for. */
export function parseSqliteUrl(url: string): Pick<SqliteBackendOptions, "path" | "durable"> {
  const match = /^sqlite:(\/\/(?=\/))?([^?#]*)(?:\?([^#]*))?$/.exec(url);
  if (match === null || match[2]?.startsWith("//") === true) {
    throw new InvalidArgumentError(`a sqlite URL is like ${example}; got ${JSON.stringify(url)}`);
  }
  return { path: decodePath(url, match[2] ?? ""), ...parseParameters(url, match[3] ?? "") };
}

function decodePath(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new InvalidArgumentError(
      `${JSON.stringify(url)} holds a % that is not followed by the two digits of a byte; write % itself as %25`,
      { cause: error },
    );
  }
}

function parseParameters(url: string, text: string): { durable?: boolean } {
  const parameters = [...new URLSearchParams(text)];
  if (parameters.length === 0) return {};
  const [name, value] = parameters[0] as [string, string];
  if (parameters.length === 1 && name === "durable" && (value === "true" || value === "false")) {
    return { durable: value === "true" };
  }
  throw new InvalidArgumentError(
    `a sqlite URL has one parameter, durable=true or durable=false; got ${JSON.stringify(url)}`,
  );
}
