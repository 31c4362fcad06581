import { type Finding, type History, requestsIn } from "../history.ts";

interface Section {
  readonly worker: string;
  readonly fence: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Critical sections of one name do not overlap. A section lasts from the grant to the last moment at which the holder
 * asked and its lease was still good, so one that was stopped and obeyed its signal has nothing to be excused for.
 */
export function checkExclusion(history: History): Finding {
  const byName = new Map<string, Section[]>();
  for (const { worker, name, fence, grantedAt, heldAt } of requestsIn(history)) {
    if (fence === undefined || grantedAt === undefined || heldAt === undefined) continue;
    const sections = byName.get(name) ?? [];
    byName.set(name, sections);
    sections.push({ worker, fence, from: grantedAt, to: heldAt });
  }
  let examined = 0;
  const violations: string[] = [];
  for (const [name, sections] of byName) {
    sections.sort((a, b) => a.from - b.from);
    let open: Section | undefined;
    for (const section of sections) {
      examined += 1;
      if (open !== undefined && section.from < open.to) {
        violations.push(
          `${name} was held twice for ${(Math.min(open.to, section.to) - section.from).toFixed(1)} ms: by ` +
            `${open.worker} (fence ${open.fence}) until ${open.to.toFixed(1)}, by ${section.worker} ` +
            `(fence ${section.fence}) from ${section.from.toFixed(1)}`,
        );
      }
      if (open === undefined || section.to > open.to) open = section;
    }
  }
  return { examined, violations };
}
