import { type FakeTime, fakeTime, missing } from "../means/fake-time.ts";
import { openTarget } from "../targets/open-target.ts";
import { backendNames } from "../targets/target.ts";
import { drawVictims, type Fault, type World } from "./fault.ts";

const hourSeconds = 3_600;
const daySeconds = 24 * hourSeconds;
const jumpsSeconds = [-daySeconds, -hourSeconds, -1, 1, hourSeconds, 3 * daySeconds];
const rates = [0.2, 5];

/** The wall clocks of some workers jump, or run at another rate; the monotonic ones stay true. */
export const clockJump: Fault = {
  name: "clock-jump",
  summary: "wall clocks of workers jump by up to days, or run five times as fast or slow (libfaketime)",
  backends: backendNames.filter((backend) => backend !== "nats-cluster"),
  // Who loses its session, as it must when its clock jumps, loses its place in line; and adds look at no clock.
  workloads: ["fenced", "partitions", "slots", "limits", "entries"],
  makesUnknown: false,
  endsLeasesEarly: true,
  missing: () => missing(),
  async open({ backend, folder }): Promise<World> {
    const target = await openTarget(backend, folder);
    const clocks = new Map<number, FakeTime>();
    return {
      description: `${target.description}, workers with clocks of their own`,
      url: target.url,
      launch(place) {
        const clock = clocks.get(place) ?? fakeTime();
        clocks.set(place, clock);
        return { url: target.url, environment: clock.env };
      },
      async round(scene) {
        const { random } = scene;
        const victims = drawVictims(scene);
        scene.begin();
        const deeds = victims.map(({ place, worker, pid }, index) => {
          const clock = clocks.get(place);
          // One at least must notice: a lease ends when any clock says so.
          if (index > 0 && random.below(4) === 0) {
            const rate = random.pick(rates);
            clock?.rate(rate, pid);
            return `${worker} ran at ${rate}`;
          }
          const seconds = random.pick(index === 0 ? [hourSeconds, 3 * daySeconds] : jumpsSeconds);
          clock?.jump(seconds);
          return `${worker} jumped by ${seconds} s`;
        });
        await scene.pause(scene.ttlMs);
        // Half of the time a clock that was wrong stays wrong, as clocks do.
        if (random.below(2) === 0) for (const { place } of victims) clocks.get(place)?.restore();
        return `clocks: ${deeds.join(", ")}`;
      },
      async [Symbol.asyncDispose]() {
        for (const clock of clocks.values()) clock.close();
        await target[Symbol.asyncDispose]();
      },
    };
  },
};
