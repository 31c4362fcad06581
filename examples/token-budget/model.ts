import { setTimeout } from "node:timers/promises";
import type { Policy } from "../../src/index.ts";

/** What all workers together may use. */
export const budget = {
  name: "daily",
  limit: 10_000,
  per: "1d",
  algorithm: "fixed-window",
} as const satisfies Policy;
/** What one call costs at most: the length of its prompt, and the `max_tokens` of its answer. */
export const callMax = 800;
/** Longer than any call takes. What is neither settled nor cancelled by then counts as used. */
export const reservationTtlMs = 3_000;

/** Stands for a language model: it takes a while, and only afterwards it is known how many tokens it has used. */
export async function askModel(prompt: string): Promise<{ readonly tokensUsed: number }> {
  let random = 0;
  for (const character of prompt) random = (random * 31 + character.charCodeAt(0)) % 1_009;
  await setTimeout(20 + (random % 50));
  return { tokensUsed: 100 + (random % (callMax - 100)) };
}
