/** What the histories of Jepsen and Knossos are made of. Keywords keep their colon: `":ok"`; strings are boxed. */
export type Edn = null | number | boolean | string | EdnString | readonly Edn[] | EdnMap;

/** A string in quotes, told apart from symbols and keywords. */
export interface EdnString {
  readonly text: string;
}

/** A map with the texts of its keys. */
export type EdnMap = ReadonlyMap<string, Edn>;

const token = /[\s,]+|;.*|#_?|"(?:[^"\\]|\\.)*"|[[\](){}]|[^\s,;"[\](){}]+/gu;
const closing: Readonly<Record<string, string>> = { "[": "]", "(": ")", "{": "}" };
const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\\": "\\", '"': '"' };

/**
 * Reads all values of a text. Knows lists, vectors, maps, sets, strings, numbers, keywords and symbols; tags
 * (`#name value`) are left out, their values stay.
 *
 * @throws Error when brackets do not match.
 */
export function readEdn(text: string): readonly Edn[] {
  const open: { readonly end: string; readonly values: Edn[] }[] = [];
  let current: { readonly end: string; readonly values: Edn[] } = { end: "", values: [] };
  for (const [part] of text.matchAll(token)) {
    if (/^[\s,;]/.test(part) || part.startsWith("#")) continue;
    const end = closing[part];
    if (end !== undefined) {
      open.push(current);
      current = { end, values: [] };
    } else if (/^[\])}]$/.test(part)) {
      const outer = open.pop();
      if (outer === undefined || part !== current.end) throw new Error(`a ${part} that closes nothing`);
      outer.values.push(part === "}" ? mapOf(current.values) : current.values);
      current = outer;
    } else {
      current.values.push(atomOf(part));
    }
  }
  if (open.length > 0) throw new Error(`the text ends where a ${current.end} was expected`);
  return current.values;
}

function mapOf(values: readonly Edn[]): EdnMap {
  const map = new Map<string, Edn>();
  for (let index = 0; index + 1 < values.length; index += 2) {
    map.set(String(values[index]), values[index + 1] ?? null);
  }
  return map;
}

function atomOf(part: string): Edn {
  if (part.startsWith('"')) {
    return { text: part.slice(1, -1).replace(/\\(.)/gsu, (_, letter: string) => escapes[letter] ?? letter) };
  }
  if (part === "nil") return null;
  if (part === "true" || part === "false") return part === "true";
  return /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?[NM]?$/i.test(part) ? Number.parseFloat(part) : part;
}

/** A text for a value, the same for equal values and for no others. */
export function textOfEdn(value: Edn): string {
  return JSON.stringify(value, (_, part: unknown) => (part instanceof Map ? [...part] : part));
}
