// One worker of the fleet: `node worker.ts URL NAME`. It works on the partitions that fall to it, until it is told to end.
import { connect } from "../../src/index.ts";

/** What a worker tells of one partition. */
export interface Told {
  readonly what: "begins" | "ends";
  readonly partition: number;
  readonly fence: number;
  /** By the clock of the machine. */
  readonly atMs: number;
}

const [, , url = "", name = ""] = process.argv;
/** Also while the fleet ends: then nobody listens any more, which is no failure. */
function tell(told: Omit<Told, "atMs">): void {
  process.send?.({ ...told, atMs: Date.now() }, undefined, undefined, () => undefined);
}

const stop = new AbortController();
process.once("disconnect", () => stop.abort());

await using coordinator = await connect(url, { ttl: "2s", clientName: name });
const partitions = coordinator.group("workers").partitions(8);
await partitions.run(
  async ({ partition, fence, signal }) => {
    tell({ what: "begins", partition, fence });
    // The work: until the partition moves, the lease is lost, or the worker ends.
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    tell({ what: "ends", partition, fence });
  },
  { signal: stop.signal, identity: name },
);
