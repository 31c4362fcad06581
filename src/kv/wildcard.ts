/** What the keys of this form begin with. */
export function literalPrefix(pattern: string): string {
  return /^[^*?]*/.exec(pattern)?.[0] ?? "";
}

/** Whether a key has this form: `*` stands for any characters, `?` for one. In time proportional to both lengths at most. */
export function matchesWildcard(pattern: string, key: string): boolean {
  const wanted = [...pattern];
  const given = [...key];
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  for (let index = 0; index < given.length; ) {
    if (wanted[at] === "*") {
      star = at;
      at += 1;
      resumeAt = index;
    } else if (at < wanted.length && (wanted[at] === "?" || wanted[at] === given[index])) {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      // The star takes one character more, and the rest is tried behind it.
      at = star + 1;
      resumeAt += 1;
      index = resumeAt;
    } else return false;
  }
  return wanted.slice(at).every((character) => character === "*");
}
