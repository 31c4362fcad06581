import { containerChoice, dynamodbImage, natsImage, natsLines } from "./settings.ts";

const pullTimeoutMs = 120_000;

let decision: Promise<boolean> | undefined;

/**
 * Whether servers run in containers: when an engine answers and has, or can pull, every image. Decided once
 * in a process, for all servers alike, so that one line can say what a run was tested against.
 *
 * @throws Error when `LEASEHOLD_TEST_CONTAINERS=1` demands containers and they can't be had.
 */
export function useContainers(): Promise<boolean> {
  decision ??= decide();
  return decision;
}

async function decide(): Promise<boolean> {
  const choice = containerChoice();
  if (choice === "never") return false;
  try {
    await makeImagesPresent([...natsLines.map(({ version }) => natsImage(version)), dynamodbImage()]);
    return true;
  } catch (error) {
    if (choice === "automatic") return false;
    throw new Error(`LEASEHOLD_TEST_CONTAINERS=1 demands containers: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function makeImagesPresent(images: readonly string[]): Promise<void> {
  const { getContainerRuntimeClient, ImageName } = await import("testcontainers");
  const client = await getContainerRuntimeClient().catch((error: Error) => {
    throw new Error(`no container engine answers (${error.message})`, { cause: error });
  });
  for (const image of images) {
    const name = ImageName.fromString(image);
    if (await client.image.exists(name)) continue;
    const timeout = AbortSignal.timeout(pullTimeoutMs);
    const pull = Promise.race([
      client.image.pull(name),
      new Promise<never>((_, reject) => {
        timeout.addEventListener("abort", () => reject(new Error(`no answer in ${pullTimeoutMs} ms`)));
      }),
    ]);
    await pull.catch((error: Error) => {
      throw new Error(`the image ${image} is absent and can't be pulled (${error.message})`, {
        cause: error,
      });
    });
  }
}
