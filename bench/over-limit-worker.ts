/** One of the processes of `over-limit.ts`: takes as fast as it can, and tells how much it was allowed. */
import { systemRuntime } from "../src/core/runtime.ts";
import { connect } from "../src/index.ts";
import { limit, windowMs } from "./over-limit-policy.ts";

const [url = "", name = "", mode = "exact", aheadMs = "0", durationMs = "0"] = process.argv.slice(2);
const inFlight = 32;
/** Allowed ones are told in parcels: what a killed process had not told yet is missing from the sum. */
const tellEveryMs = 20;

const runtime = { ...systemRuntime, wallMs: () => systemRuntime.wallMs() + Number(aheadMs) };
const coordinator = await connect(url, { runtime });
const limiter = coordinator.rateLimiter(name, {
  policies: [{ limit, per: windowMs }],
  mode: mode === "exact" ? "exact" : "leased",
});
process.send?.("ready");
await new Promise((resolve) => process.once("message", resolve));
let allowed = 0;
let told = 0;
const tell = (): void => {
  process.send?.(allowed - told);
  told = allowed;
};
const telling = setInterval(tell, tellEveryMs);
const until = performance.now() + Number(durationMs);
const one = async (): Promise<void> => {
  while (performance.now() < until) {
    const decision = await limiter.take("key");
    if (decision.allowed) allowed += 1;
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
await Promise.all(Array.from({ length: inFlight }, one));
clearInterval(telling);
tell();
await coordinator.close();
process.disconnect();
