// One process of the fleet: `node worker.ts URL`. Its task runs every second, in one process of the fleet for each slot.
import cron from "node-cron";
import { cronRunCoordinator } from "../../src/adapters/node-cron.ts";
import { connect } from "../../src/index.ts";

const [, , url = ""] = process.argv;
const coordinator = await connect(url, { ttl: "2s" });
const runCoordinator = cronRunCoordinator(coordinator);

const task = cron.schedule(
  "* * * * * *",
  (context) => {
    // Stop when the lease is lost: somebody else may run the next slot.
    runCoordinator.signal(context)?.throwIfAborted();
    process.send?.(context.date.toISOString());
  },
  { name: "report", distributed: true, runCoordinator },
);

process.once("disconnect", async () => {
  await task.destroy();
  await coordinator.close();
});
