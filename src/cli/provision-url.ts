/**
 * Says which URL was found where another one is needed, for messages: from the option, else from the environment, and
 * whether it is of another kind of store. Shows no credentials.
 */
export function foundUrl(
  option: string | undefined,
  { LEASEHOLD_URL: shared = "" }: NodeJS.ProcessEnv,
  wanted: RegExp,
): string {
  const url = option ?? shared;
  if (option === undefined && url === "") return "got neither";
  const place = option === undefined ? "LEASEHOLD_URL is" : "--url is";
  const text = JSON.stringify(url.replace(/\/\/.*@/, "//***@").replace(/\?.*$/, ""));
  const isOther = /^[a-z]+:/.test(url) && !wanted.test(url);
  return `${place} ${text}${isOther ? ", of another kind of store" : ""}`;
}
