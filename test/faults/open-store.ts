import type { Backend } from "../../src/index.ts";

/** Opens the backend of a URL by the package's public entry points. Creates nothing. */
export async function openStore(url: string): Promise<Backend> {
  switch (url.slice(0, url.indexOf(":"))) {
    case "sqlite":
      return (await import("../../src/backends/sqlite/index.ts")).sqliteBackendFromUrl(url);
    case "nats":
      return (await import("../../src/backends/nats/index.ts")).natsBackendFromUrl(url);
    case "dynamodb":
      return (await import("../../src/backends/dynamodb/index.ts")).dynamodbBackendFromUrl(url);
  }
  throw new Error(`no backend is known for ${url}`);
}
