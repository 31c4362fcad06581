import { connect } from "node:net";
import { createInterface } from "node:readline";
import type { ResourceAnswer, ResourceRequest } from "./resource.ts";

/** A worker's way to the resource. */
export interface ResourceClient {
  /** Writes under a fence; answers whether the resource accepted it. */
  write(name: string, fence: number): Promise<boolean>;
  close(): void;
}

/** Connects to the resource. A resource that goes away ends the worker: the run is over. */
export async function connectToResource(socketPath: string, worker: string): Promise<ResourceClient> {
  const socket = connect(socketPath);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const waiting = new Map<number, (accepted: boolean) => void>();
  let requests = 0;
  createInterface({ input: socket }).on("line", (line) => {
    const { id, accepted } = JSON.parse(line) as ResourceAnswer;
    waiting.get(id)?.(accepted);
    waiting.delete(id);
  });
  return {
    write(name, fence) {
      requests += 1;
      const request: ResourceRequest = { id: requests, worker, name, fence };
      socket.write(`${JSON.stringify(request)}\n`);
      return new Promise((resolve) => waiting.set(request.id, resolve));
    },
    close: () => socket.destroy(),
  };
}
