import { Choices } from "../../src/testing/simulation/choices.ts";
import { drawPlan } from "./plan.ts";
import { mixOf, type Workload } from "./workloads/workload.ts";

/** What happens at each place of a seed, in words. */
export function explain(
  seed: number,
  workloads: readonly Workload[],
  places: readonly string[],
): readonly string[] {
  const choices = new Choices(seed, places);
  const plan = drawPlan(choices);
  return places.map((place) => {
    const accident = plan.accidents.find((each) => each.place === place);
    if (accident !== undefined) {
      const { kind, atMs, durationMs, client } = accident;
      const whom = plan.clients[client]?.name ?? "";
      return `${place}: ${kind} (${whom}, at ${atMs.toFixed(0)} ms, for ${durationMs.toFixed(0)} ms)`;
    }
    if (!/operation\d+$/.test(place)) return place;
    return `${place}: ${choices.oneOf(`${place}.workload`, mixOf(plan.stage.theme, workloads)).name}`;
  });
}

/** What the world of a seed is like, in words. */
export function describeWorld(seed: number): string {
  const { clients, ttlMaxMs, capabilities, latencyMs, timeoutMs, ...plan } = drawPlan(new Choices(seed));
  const rates = clients.map(({ clock }) => clock.rate.toFixed(3)).join(", ");
  const [lowMs, highMs] = latencyMs.map((milliseconds) => milliseconds.toFixed(1));
  const { wake, watch } = capabilities;
  return (
    `about ${plan.stage.theme}; ${clients.length} clients with clock rates ${rates}; TTL ${ttlMaxMs} ms; a request takes ${lowMs} to ${highMs} ms ` +
    `each way and is given up after ${timeoutMs.toFixed(0)} ms; wakes: ${wake}, watches: ${watch}, conflicts tell the ` +
    `record: ${plan.conflictsTellCurrent}, hints tell it: ${plan.hintsTellRecord}, wall clocks right: ` +
    `${plan.areWallClocksRight}, drift tolerated: ${plan.isDriftTolerated}`
  );
}
