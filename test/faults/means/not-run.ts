/** A title that says aloud why its tests are not run, if there is such a reason. */
export function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (NOT RUN: ${reason})`;
}
