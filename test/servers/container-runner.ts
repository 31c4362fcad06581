import type { Runner } from "./runner.ts";

const stopGraceSeconds = 5;

/** What {@link containerRunner} starts. */
export interface ContainerProgram {
  readonly image: string;
  /** Arguments for the image's entry point. */
  readonly command: readonly string[];
  readonly containerPort: number;
  /** Fixed, so that the URL outlives a restart. */
  readonly hostPort: number;
  readonly files?: readonly { readonly target: string; readonly content: string }[];
}

/** A runner for a container, whose own file system is its store. */
export async function containerRunner(program: ContainerProgram): Promise<Runner> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import("testcontainers");
  const client = await getContainerRuntimeClient();
  let id: string | null = null;
  const container = () => (id === null ? null : client.container.getById(id));
  const state = async () => (await container()?.inspect())?.State ?? null;

  return {
    pid: null,
    async start() {
      if (id !== null) {
        if (!(await state())?.Running) await container()?.start();
        return;
      }
      const started = await new GenericContainer(program.image)
        .withCommand([...program.command])
        .withExposedPorts({ container: program.containerPort, host: program.hostPort })
        .withCopyContentToContainer([...(program.files ?? [])])
        // One label for all containers of a run, so that its end can remove what an interrupt left.
        .withLabels({ "leasehold.test.run": process.env.LEASEHOLD_TEST_RUN ?? String(process.pid) })
        // Readiness is asked from outside, in the server's own protocol.
        .withWaitStrategy(Wait.forAll([]))
        .start()
        .catch((error: Error) => {
          // Where the program ends before its port is looked up, testcontainers only tells of the port.
          throw new Error(`its container ended at once, or could not be started: ${error.message}`, {
            cause: error,
          });
        });
      id = started.getId();
    },
    async stop() {
      const current = await state();
      if (current?.Paused) await container()?.unpause();
      if (current?.Running) await container()?.stop({ t: stopGraceSeconds });
    },
    async kill() {
      const current = await state();
      if (!current?.Running) return;
      const ended = container()?.wait({ condition: "not-running" });
      await container()?.kill({ signal: "SIGKILL" });
      await ended;
    },
    async pause() {
      if (!(await state())?.Paused) await container()?.pause();
    },
    async resume() {
      if ((await state())?.Paused) await container()?.unpause();
    },
    async failure() {
      const current = await state();
      return current === null || current.Running ? null : `its container ended with ${current.ExitCode}`;
    },
    async log() {
      const output = await container()?.logs({ stdout: true, stderr: true, follow: false });
      return output === undefined ? "" : textOfFrames(output);
    },
    async remove() {
      await container()?.remove({ force: true, v: true });
      id = null;
    },
  };
}

/** The engine sends logs in frames: a byte for the stream, three zeros, the length in four bytes, the text. */
function textOfFrames(frames: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= frames.length; ) {
    const end = at + 8 + frames.readUInt32BE(at + 4);
    pieces.push(frames.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString("utf8");
}
