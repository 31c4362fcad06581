/**
 * A process that adds to a counter, several at a time, until it is told to stop or is killed. Every add is written down
 * before it is asked for, and with its sum when it was told, in a file that outlives the process.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { connect } from "../../src/index.ts";

const [url = "", file = "", inFlight = "8", bound = ""] = process.argv.slice(2);
const log = openSync(file, "a");
const note = (line: string): void => void writeSync(log, `${line}\n`);
const coordinator = await connect(url);
const counter = coordinator.counter("orders", bound === "" ? {} : { max: Number(bound) });
let isStopping = false;

async function loop(): Promise<void> {
  while (!isStopping) {
    note("asked");
    try {
      note(`told ${await counter.add()}`);
    } catch (error) {
      note(`failed ${(error as { code?: string }).code}`);
    }
    // As much as anybody can read afterwards.
    await setTimeout(2);
  }
}

process.on("message", () => {
  isStopping = true;
});
// It outlives no test.
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
await Promise.all(Array.from({ length: Number(inFlight) }, loop));
await coordinator.close();
process.exit(0);
