// Goal: locks keep their promises over the memory backend, in real time.
import { describe, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { lockConformance } from "../../src/testing/index.ts";

describe.concurrent("over the memory backend:", () => {
  const cases = lockConformance({
    create: async () => {
      const backend = memoryBackend();
      return { backends: [backend, backend, backend], destroy: () => backend.close() };
    },
  });
  for (const { title, run } of cases) test(title, run);
});
