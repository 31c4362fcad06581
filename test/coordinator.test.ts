// Goal: a coordinator is made over a backend, and says what it needs to who hands in something else.
import { expect, test } from "vitest";
import { type Backend, createCoordinator } from "../src/index.ts";

test.each([
  ["text", "memory:", '"memory:"'],
  ["nothing", undefined, "undefined"],
  ["an object that is no backend", {}, "an object"],
  ["a promise of one", Promise.resolve(), "an object"],
])("%s is refused", (_what, backend, shown) => {
  expect(() => createCoordinator(backend as unknown as Backend)).toThrow(
    `createCoordinator needs a backend, such as memoryBackend() or natsBackend({ connection, bucket }); got ${shown}`,
  );
});
