/**
 * Keys as subjects. A key's dots separate the tokens of a subject; NATS has no empty tokens, so an empty one
 * becomes `/`, which no key contains.
 */

const emptyToken = "/";

/** What stands behind `$KV.<bucket>.` for a key. */
export function keyToSubject(key: string): string {
  if (!key.includes("..") && !key.startsWith(".") && !key.endsWith(".")) return key;
  return key
    .split(".")
    .map((token) => token || emptyToken)
    .join(".");
}

/** The key of a subject's end, or undefined where something else than leasehold wrote there. */
export function subjectToKey(subject: string): string | undefined {
  const key = subject.includes(emptyToken)
    ? subject
        .split(".")
        .map((token) => (token === emptyToken ? "" : token))
        .join(".")
    : subject;
  return /^[-=.\w]+$/.test(key) ? key : undefined;
}

/**
 * The narrowest wildcard that covers all keys which begin with `prefix`: its whole tokens. What it covers beyond
 * them is sorted out by the caller.
 */
export function prefixWildcard(prefix: string): string {
  const end = prefix.lastIndexOf(".");
  if (end < 0) return ">";
  const tokens = prefix.slice(0, end).split(".");
  return `${tokens.map((token) => token || emptyToken).join(".")}.>`;
}
