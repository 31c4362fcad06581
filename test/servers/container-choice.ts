import { containerChoice, dynamodbImage, natsImage, natsLines } from "./settings.ts";

const pullTimeoutMs = 120_000;

/** Whether servers run in containers, and if they could but for the images, why they don't. */
export interface ContainerDecision {
  readonly use: boolean;
  readonly obstacle: string | null;
}

/** A container engine answers, but an image is neither there nor to be pulled. */
class ImageMissingError extends Error {}

let decision: Promise<ContainerDecision> | undefined;

/**
 * Decides whether servers run in containers: when an engine answers and has, or can pull, every image. It is
 * decided once in a process, for all servers alike, so that one line can say what a run was tested against.
 *
 * @throws Error when `LEASEHOLD_TEST_CONTAINERS=1` demands containers and they can't be had.
 */
export function decideOnContainers(): Promise<ContainerDecision> {
  decision ??= decide();
  return decision;
}

async function decide(): Promise<ContainerDecision> {
  const choice = containerChoice();
  if (choice === "never") return { use: false, obstacle: null };
  try {
    await makeImagesPresent();
    return { use: true, obstacle: null };
  } catch (error) {
    const { message } = error as Error;
    if (choice === "automatic") {
      return { use: false, obstacle: error instanceof ImageMissingError ? message : null };
    }
    throw new Error(`LEASEHOLD_TEST_CONTAINERS=1 demands containers, but ${message}`, { cause: error });
  }
}

/**
 * Pulls those images of the servers that the container engine does not have.
 *
 * @throws Error when no engine answers or an image can't be pulled.
 */
export async function makeImagesPresent(): Promise<void> {
  const { getContainerRuntimeClient, ImageName } = await import("testcontainers");
  const client = await getContainerRuntimeClient().catch((error: Error) => {
    throw new Error(`no container engine answers (${error.message})`, { cause: error });
  });
  for (const image of [...natsLines.map(({ version }) => natsImage(version)), dynamodbImage()]) {
    const name = ImageName.fromString(image);
    if (await client.image.exists(name)) continue;
    await within(pullTimeoutMs, client.image.pull(name)).catch((error: Error) => {
      const reason = `the image ${image} is absent and can't be pulled (${error.message.trim()})`;
      throw new ImageMissingError(reason, { cause: error });
    });
  }
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
