import { sharedNowMs } from "../history.ts";
import { numbered } from "../worker-settings.ts";
import { codeOf, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** Counts and numbers as users do: adds, steps by comparing, takes numbers in blocks and one by one, and without gaps. */
export async function numbers(bench: Workbench): Promise<void> {
  const { coordinator, stopping: signal } = bench;
  const blocks = coordinator.sequence(numbered.blocks);
  const risen = coordinator.sequence(numbered.risen, { block: 1 });
  await Promise.all([
    add(bench),
    repeat(bench, numbered.steps, () => step(bench)),
    repeat(bench, numbered.blocks, () => number(bench, numbered.blocks, () => blocks.next({ signal }))),
    repeat(bench, numbered.risen, () => number(bench, numbered.risen, () => risen.next({ signal }))),
    repeat(bench, numbered.issued, () => issue(bench)),
  ]);
}

/** Whether this worker, broken on purpose, does something twice now, or not at all. */
function isCareless({ settings, random }: Workbench): boolean {
  return settings.broken === "repeated-numbers" && random.below(5) === 0;
}

async function repeat(bench: Workbench, name: string, once: () => Promise<void>): Promise<void> {
  while (!bench.stopping.aborted) {
    try {
      await once();
    } catch (error) {
      bench.log.write({ event: "number-failed", name, code: codeOf(error) });
      await restAfterFailure(bench);
    }
    await rest(bench, 5, 30);
  }
}

/** The counter finds out by itself what became of an add. */
async function add(bench: Workbench): Promise<void> {
  const { coordinator, log, stopping } = bench;
  const counter = coordinator.counter(numbered.total);
  for (let sequence = 1; !stopping.aborted; sequence += 1) {
    log.write({ event: "add-called", sequence });
    try {
      log.write({ event: "added", sequence, sum: await counter.add() });
      if (isCareless(bench)) await counter.add();
    } catch (error) {
      const code = codeOf(error);
      log.write({ event: "add-failed", sequence, code });
      if (code !== "OUTCOME_UNKNOWN") log.write({ event: "add-dropped", sequence });
      await restAfterFailure(bench);
    }
    await rest(bench, 5, 30);
  }
}

async function step(bench: Workbench): Promise<void> {
  const counter = bench.coordinator.counter(numbered.steps);
  const from = await counter.get();
  if (!(await counter.compareAndSet(from, from + 1))) return;
  bench.log.write({ event: "stepped", from });
  if (isCareless(bench)) bench.log.write({ event: "stepped", from });
}

async function number(bench: Workbench, name: string, next: () => Promise<number>): Promise<void> {
  const calledAt = sharedNowMs();
  const taken = await next();
  bench.log.write({ event: "numbered", name, number: taken, calledAt });
  if (isCareless(bench)) bench.log.write({ event: "numbered", name, number: taken, calledAt });
}

async function issue(bench: Workbench): Promise<void> {
  const { coordinator, log, stopping: signal } = bench;
  const sequence = coordinator.sequence(numbered.issued, { gapFree: true });
  const issued = await sequence.issue(
    async (number) => {
      if (!isCareless(bench)) log.write({ event: "issuing", number });
      await rest(bench, 0, 5);
      return number;
    },
    { signal },
  );
  log.write({ event: "issued", number: issued });
}
