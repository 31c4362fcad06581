import { InvalidValueError, type ValueIssue } from "../core/invalid-value-error.ts";

/** What a codec was about to do. */
export type CodecAction = "write" | "read";

/** What an error keeps besides its issues. */
interface InvalidValueDetails {
  readonly value: unknown;
  readonly key?: string | undefined;
  readonly cause?: unknown;
}

/** More than this nobody reads in a message; all of them stand in `issues`. */
const issuesShownMax = 3;
const endings = {
  write: ["written", "Nothing was written"],
  read: ["read", "What is stored stays as it is"],
} as const;

/** The error for a value that cannot be written or read, with a message that tells where in it what is wrong. */
export function invalidValue(
  action: CodecAction,
  issues: readonly ValueIssue[],
  { key, ...details }: InvalidValueDetails,
): InvalidValueError {
  const shown = issues.slice(0, issuesShownMax).map(({ path, message }) => {
    const place = placeOf(path);
    return place === "" ? message : `${place}: ${message}`;
  });
  if (issues.length > shown.length) shown.push(`and ${issues.length - shown.length} more`);
  const what = key === undefined ? "a value" : `the value of ${JSON.stringify(key)}`;
  const [done, afterwards] = endings[action];
  return new InvalidValueError(`${what} cannot be ${done}: ${shown.join("; ")}. ${afterwards}`, {
    ...details,
    issues,
    key,
  });
}

/** `orders[3].total`, `["two words"]`. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((segment, index) => {
      if (typeof segment === "string" && /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(segment))
        return index === 0 ? segment : `.${segment}`;
      return `[${typeof segment === "string" ? JSON.stringify(segment) : String(segment)}]`;
    })
    .join("");
}
