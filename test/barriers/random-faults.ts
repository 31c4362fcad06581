import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import type { Interceptor } from "../../src/testing/index.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/index.ts";
import type { World } from "../locks/world.ts";

/** Numbers that depend on the seed alone. */
export function seeded(seed: number): () => number {
  const { random } = createVirtualRuntime({ seed });
  return random;
}

/** Loses one request in twelve before it takes effect, or after it, or lets it take effect late. Until `heal`. */
export function spoil(world: World, random: () => number): { heal(): void } {
  let isHealed = false;
  const interceptor: Interceptor = async (request, send) => {
    const fate = isHealed ? 1 : random();
    if (fate < 0.03) throw new UnavailableError("a test lost the request");
    if (fate > 0.08) return send();
    if (request.kind === "get") throw new UnavailableError("a test lost the answer");
    if (fate < 0.06) await send();
    else world.runtime.schedule(random() * 5_000, () => void send());
    throw new OutcomeUnknownError("a test lost the answer");
  };
  for (const { backend } of world.clients) backend.intercept(interceptor);
  return {
    heal() {
      isHealed = true;
    },
  };
}

/** Resolves after `delayMs` of virtual time. */
export function pass(runtime: VirtualRuntime, delayMs: number): Promise<void> {
  return new Promise((resolve) => void runtime.schedule(delayMs, resolve));
}
