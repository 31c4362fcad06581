/** What the processes of `over-limit.ts` share: a bucket of 2,000 tokens, which is full again after two seconds. */
export const limit = 2_000;
export const windowMs = 2_000;
