/** How values that JSON does not know become ones that it does, as `JSON.stringify` asks. */
export type Replacer = (this: Record<string, unknown>, name: string, value: unknown) => unknown;

/** A value as a text that is passed on as it is: a cursor. */
export function toOpaqueText(value: unknown, replacer?: Replacer): string {
  return Buffer.from(JSON.stringify(value, replacer)).toString("base64url");
}

/** What stands in such a text; `null` in every other one. */
export function fromOpaqueText(text: unknown, reviver?: (name: string, value: never) => unknown): unknown {
  try {
    return JSON.parse(Buffer.from(String(text), "base64url").toString("utf8"), reviver as never);
  } catch {
    return null;
  }
}
