import { connect } from "@nats-io/transport-node";
import type { TestServer } from "./test-server.ts";

const connectTimeoutMs = 1_000;
const requestTimeoutMs = 2_000;

/** The users of a test's cluster, with no password to keep: the servers are on this machine only, and end with the test. */
export const accounts = {
  system: { user: "system", pass: "system" },
  clients: { user: "clients", pass: "clients" },
} as const;

/** One of {@link accounts}. */
export type Account = keyof typeof accounts;

/** What the JetStream API answers, as far as it is looked at. */
export interface ApiAnswer {
  readonly error?: { readonly description: string };
  readonly cluster?: { readonly leader?: string };
}

/** What a server tells its operator, as far as it is looked at. */
export interface ServerReport {
  readonly data?: { readonly meta_cluster?: { readonly leader?: string }; readonly status?: string };
}

/**
 * Asks one server after the other until one answers, over a connection of its own: any of them may be dead.
 *
 * @throws Error when none answers.
 */
export async function ask<T>(
  servers: readonly TestServer[],
  account: Account,
  subject: string,
  body: object = {},
): Promise<T> {
  const failures: Error[] = [];
  for (const server of servers) {
    if (server.pid === null) continue;
    try {
      return await askServer<T>(server, account, subject, body);
    } catch (error) {
      failures.push(error as Error);
    }
  }
  const reasons = failures.map(({ message }) => message).join("; ") || "none runs";
  throw new Error(`no server of the cluster answers to ${subject}: ${reasons}`);
}

/**
 * Asks one server; the subject may need its id.
 *
 * @throws Error when it does not answer.
 */
export async function askServer<T>(
  { url }: TestServer,
  account: Account,
  subject: string | ((serverId: string) => string),
  body: object = {},
): Promise<T> {
  const connection = await connect({
    servers: url,
    ...accounts[account],
    timeout: connectTimeoutMs,
    reconnect: false,
  });
  try {
    const asked = typeof subject === "string" ? subject : subject(connection.info?.server_id ?? "");
    const answer = await connection.request(asked, JSON.stringify(body), { timeout: requestTimeoutMs });
    return answer.json<T>();
  } finally {
    await connection.close();
  }
}

/** @throws Error with what the answer says went wrong. */
export function orThrow(answer: ApiAnswer): ApiAnswer {
  if (answer.error !== undefined) throw new Error(answer.error.description);
  return answer;
}
