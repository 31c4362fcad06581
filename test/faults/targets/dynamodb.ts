import { dynamodbServer } from "../../servers/index.ts";
import type { Target } from "./target.ts";

/** One DynamoDB Local with its tables on disk: it may be killed and started again. */
export async function dynamodbTarget(): Promise<Target> {
  const server = await dynamodbServer({ persistent: true });
  const urlOf = (endpoint: string): string =>
    `dynamodb://us-east-1/faults?endpoint=${encodeURIComponent(endpoint)}`;
  return {
    description: server.description,
    url: urlOf(server.url),
    urlAt: (port) => urlOf(`http://127.0.0.1:${port}`),
    server,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
