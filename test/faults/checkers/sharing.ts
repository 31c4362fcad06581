import { type Finding, type History, requestsIn } from "../history.ts";
import { permits } from "../worker-settings.ts";
import { type Rule, type Stretch, stretchesIn, whoIsInside } from "./stretches.ts";

/** Never are more permits held than there are. What it examines is how often several were inside together. */
export function checkPermits(history: History): Finding {
  return check(history, (inside) => {
    const taken = inside.reduce((sum, { share }) => sum + Number(share), 0);
    return taken > permits.permits ? `${taken} of ${permits.permits} permits were held` : undefined;
  });
}

/** Many readers, with at most one among them who may become the writer; or one writer, alone. */
export function checkReaders(history: History): Finding {
  return check(history, (inside) => {
    if (inside.some(isOf("write")) && inside.length > 1) return "a writer was not alone";
    return inside.filter(isOf("upgradeable")).length > 1 ? "two might have become the writer" : undefined;
  });
}

function isOf(share: Stretch["share"]): (stretch: Stretch) => boolean {
  return (stretch) => stretch.share === share;
}

function check(history: History, rule: Rule): Finding {
  let examined = 0;
  const violations: string[] = [];
  for (const stretches of stretchesIn(history).values()) {
    const found = whoIsInside(stretches, rule);
    examined += found.together;
    violations.push(...found.violations);
  }
  return { examined, violations };
}

/** An upgrade comes with a larger fence than the grant had before. */
export function checkUpgrades(history: History): Finding {
  let examined = 0;
  const violations: string[] = [];
  const granted = new Map(requestsIn(history).map(({ worker, call, fence }) => [`${worker} ${call}`, fence]));
  for (const { worker, events } of history.workers) {
    for (const event of events) {
      if (event.event !== "upgraded") continue;
      examined += 1;
      const before = granted.get(`${worker} ${event.call}`) ?? 0;
      granted.set(`${worker} ${event.call}`, event.fence);
      if (event.fence > before) continue;
      violations.push(
        `${worker} was upgraded at ${event.at.toFixed(1)} with fence ${event.fence} and had ${before} before`,
      );
    }
  }
  return { examined, violations };
}
