import { readFileSync } from "node:fs";

/** As long as the name of a lock may be. */
const jobBytesMax = 1_024;
const jobsMax = 10_000;

/** The jobs of a fleet that was given none. */
export function numberedJobs(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `job-${String(index + 1).padStart(2, "0")}`);
}

/**
 * The jobs of a file: one a line; blank lines and lines that begin with `#` do not count.
 *
 * @throws Error that names the line which cannot be used.
 */
export function readJobs(path: string): readonly string[] {
  const lineOf = new Map<string, number>();
  for (const [index, line] of readText(path).split(/\r?\n/).entries()) {
    const job = line.trim();
    if (job === "" || job.startsWith("#")) continue;
    const place = `${path}, line ${index + 1}`;
    const first = lineOf.get(job);
    if (first !== undefined)
      throw new Error(`${place}: the job ${JSON.stringify(job)} is in line ${first} too`);
    if (/\p{Cc}/u.test(job)) throw new Error(`${place}: the job contains a control character`);
    if (Buffer.byteLength(job) > jobBytesMax) {
      throw new Error(`${place}: the job is longer than ${jobBytesMax} bytes`);
    }
    lineOf.set(job, index + 1);
  }
  if (lineOf.size === 0) throw new Error(`${path} contains no job: write one job on each line`);
  if (lineOf.size > jobsMax) throw new Error(`${path} contains ${lineOf.size} jobs; at most ${jobsMax}`);
  return [...lineOf.keys()];
}

function readText(path: string): string {
  try {
    // Not as "utf8", which would turn what is no text into replacement characters in silence.
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    throw new Error(`cannot read the jobs: ${(error as Error).message}`, { cause: error });
  }
}
