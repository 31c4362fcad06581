import { encodeName, nameBytesMax } from "../core/names.ts";

/** A legal key of a limiter for whatever a framework takes for a key: no client gets around a limit by a strange one. */
export function limiterKey(key: unknown): string {
  const text = String(key);
  if (text === "") return "=";
  const isLegal = text.isWellFormed() && Buffer.byteLength(text) <= nameBytesMax;
  return isLegal ? text : encodeName(text);
}
