// A process with a task that runs every second, in one process of the fleet: `node cron-worker.ts URL`. Prints the slot of
// each run, and of each that it was told to leave to others, as a line of JSON.
import cron from "node-cron";
import { cronRunCoordinator } from "../../src/adapters/node-cron.ts";
import { connect } from "../../src/index.ts";

const [, , url = ""] = process.argv;
const coordinator = await connect(url, { ttl: "2s" });
const runCoordinator = cronRunCoordinator(coordinator);
const tell = (what: string, date: Date): void => {
  process.stdout.write(`${JSON.stringify({ what, slot: date.toISOString() })}\n`);
};
const task = cron.schedule("* * * * * *", ({ date }) => tell("ran", date), {
  name: "tick: every second",
  distributed: true,
  runCoordinator,
});
task.on("execution:skipped", ({ date, reason }) => tell(reason ?? "skipped", date));
// The parent has seen enough.
process.stdin.once("end", async () => {
  await task.destroy();
  await coordinator.close();
});
process.stdin.resume();
