/** One of the processes of `handoff.ts`: takes the lock again and again, and reports when it held it. */
import { connect } from "../src/index.ts";

const [url = "", name = "", cyclesText = ""] = process.argv.slice(2);
const holdMs = 5;

/** A clock that all processes of this machine share. */
const sharedNowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const coordinator = await connect(url);
const lock = coordinator.lock(name);
process.send?.("ready");
await new Promise((resolve) => process.once("message", resolve));
const held: [number, number, number][] = [];
const until = sharedNowMs() + Number(cyclesText);
while (sharedNowMs() < until) {
  const grant = await lock.acquire();
  const from = sharedNowMs();
  await new Promise((resolve) => setTimeout(resolve, holdMs));
  const to = sharedNowMs();
  await grant.release();
  held.push([grant.fence, from, to]);
}
await coordinator.close();
process.send?.(held, () => process.disconnect());
