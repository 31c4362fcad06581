/** Gives the reason why a means can't be used here and what would help, or undefined when it can. */
export type Missing = () => Promise<string | undefined>;

/** A title that says aloud why its tests are not run, if they are not. */
export function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (NOT RUN: ${reason})`;
}
