/**
 * The program of the thread that sends heartbeats, for one coordinator: a connection of its own, and every session of
 * that coordinator.
 */
import { workerData } from "node:worker_threads";
import type { Backend } from "../core/backend.ts";
import { invariant } from "../core/invariant.ts";
import { threadsRuntime } from "../core/runtime.ts";
import { openBackend } from "../open-backend.ts";
import { copyError } from "./error-copy.ts";
import { SharedInstant } from "./shared-memory.ts";
import type { FromThread, ThreadOrder, ThreadStart, ToThread } from "./thread-messages.ts";
import { ThreadSession } from "./thread-session.ts";

const { url, port, life } = workerData as ThreadOrder;
const post = (message: FromThread | ThreadStart): void => port.postMessage(message);

try {
  const backend = await openBackend(url);
  await backend.setup({ create: false });
  serve(backend);
  post({ kind: "ready" });
} catch (error) {
  post({ kind: "unable", error: copyError(error) ?? { name: "Error", message: "unknown" } });
  // Ends this thread only, whatever the connection has left open.
  process.exit(0);
}

function serve(backend: Backend): void {
  const context = { backend, runtime: threadsRuntime, life: new SharedInstant(life), post };
  const sessions = new Map<string, ThreadSession>();
  port.on("message", (message: ToThread) => {
    if (message.kind === "close") {
      for (const session of sessions.values()) session.stop();
      const end = (): void => process.exit(0);
      backend.close().then(end, end);
      return;
    }
    if (message.kind === "open") {
      const opened = new ThreadSession(context, message.session, message.order);
      sessions.set(message.session, opened);
      void opened.open();
      return;
    }
    const session = sessions.get(message.session);
    invariant(session !== undefined, "a session is opened before anything else, and stopped once");
    if (message.kind === "start") session.loop.start();
    else if (message.kind === "hurry") session.loop.hurry();
    else if (message.kind === "claim") session.heed(message.claim);
    else {
      sessions.delete(message.session);
      session.stop();
    }
  });
}
