import { type NatsServerOptions, natsServer } from "../../servers/index.ts";
import type { Target } from "./target.ts";

/** The bucket that workers share. */
export const bucket = "faults";

/** One NATS server with a store on disk. */
export async function natsTarget(options: NatsServerOptions = {}): Promise<Target> {
  const server = await natsServer(options);
  return {
    description: server.description,
    url: `${server.url}/${bucket}`,
    urlAt: (port) => `nats://127.0.0.1:${port}/${bucket}`,
    server,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
