import type { Entry, KeyValue, Written } from "../../../src/index.ts";
import { sharedNowMs } from "../history.ts";
import type { EntryCall, EntryState, EntryTold } from "../storage-events.ts";
import { entries as spaces } from "../worker-settings.ts";
import { watchClock } from "./limiting.ts";
import { codeOf, inLanes, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** Two lanes for each key. */
const lanes = 2 * spaces.keys.length;
const ttlsMs = [60, 200, 600];

/** Reads and changes a few entries that all share, in every way there is; and writes values that live for a short time. */
export async function entries(bench: Workbench): Promise<void> {
  const space = bench.coordinator.kv<number>(spaces.shared);
  const memory = new Map<string, string>();
  await Promise.all([
    inLanes(bench, lanes, (call) => ask(bench, space, memory, call)),
    writeFading(bench),
    readFading(bench),
    watchClock(bench),
  ]);
}

async function ask(
  bench: Workbench,
  space: KeyValue<number>,
  memory: Map<string, string>,
  call: number,
): Promise<void> {
  const { log, random } = bench;
  const key = random.pick(spaces.keys);
  const op = drawCall(bench, memory.get(key));
  log.write({ event: "entry-called", call, key, op });
  try {
    const told = await askFor(bench, space, key, op);
    log.write({ event: "entry-told", call, told });
    const version = "state" in told ? told.state.version : "version" in told ? told.version : undefined;
    if (version !== undefined) memory.set(key, version);
  } catch (error) {
    log.write({ event: "entry-failed", call, code: codeOf(error) });
    await restAfterFailure(bench);
  }
  await rest(bench, 5, 40);
}

function drawCall({ random }: Workbench, expected: string | undefined): EntryCall {
  const value = random.below(1_000_000_000);
  const kind = random.pick(["get", "get", "put", "create", "swap", "swap", "add", "add", "add", "delete"]);
  if (kind === "get" || kind === "delete") return { kind };
  if (kind === "add") return { kind, by: 1 + random.below(1_000) };
  return kind === "swap" && expected !== undefined
    ? { kind, value, expected }
    : { kind: kind === "create" ? kind : "put", value };
}

async function askFor(
  { random, settings }: Workbench,
  space: KeyValue<number>,
  key: string,
  op: EntryCall,
): Promise<EntryTold> {
  switch (op.kind) {
    case "get":
      return { state: stateOf(await space.get(key)) };
    case "put":
      return toldOf(await space.set(key, op.value));
    case "create":
      return toldOf(await space.setIfAbsent(key, op.value));
    case "swap":
      return toldOf(await space.set(key, op.value, { ifVersion: op.expected }));
    case "delete": {
      const deleted = await space.delete(key);
      return { existed: deleted.committed && deleted.existed };
    }
  }
  if (settings.broken === "careless-entries") {
    const sum = ((await space.get(key))?.value ?? 0) + op.by;
    await space.set(key, sum);
    return { sum };
  }
  if (random.below(2) === 0) return { sum: await space.increment(key, op.by) };
  const isLater = random.below(2) === 0;
  const updated = await space.update(key, (current = 0) =>
    isLater ? Promise.resolve(current + op.by) : current + op.by,
  );
  return { sum: updated.committed ? updated.value : Number.NaN };
}

function toldOf(written: Written<number>): EntryTold {
  return written.committed ? { version: written.version } : { state: stateOf(written.current) };
}

function stateOf(entry: Entry<number> | undefined): EntryState {
  if (entry === undefined) return { value: null };
  const { value, version, updatedAt } = entry;
  return { value, version, updatedAt: updatedAt.getTime() };
}

function fadingKey(place: number): string {
  return `of ${place}`;
}

/** Each place has an entry of its own, so that who reads a value knows who wrote it. */
async function writeFading(bench: Workbench): Promise<void> {
  const { coordinator, log, random, settings, stopping } = bench;
  const space = coordinator.kv<string>(spaces.fading);
  const key = fadingKey(Number(/\d+/.exec(settings.worker)?.[0]));
  for (let count = 1; !stopping.aborted; count += 1) {
    const value = `${settings.worker}-${count}`;
    const ttlMs = random.pick(ttlsMs);
    try {
      // A store that keeps values for too long: three times as long as it is told.
      await space.set(key, value, { ttl: settings.broken === "careless-entries" ? 3 * ttlMs : ttlMs });
      log.write({ event: "fading-set", key, value, ttlMs });
    } catch (error) {
      log.write({ event: "entry-failed", call: 0, code: codeOf(error) });
      await restAfterFailure(bench);
    }
    await rest(bench, ttlMs / 2, 3 * ttlMs);
  }
}

async function readFading(bench: Workbench): Promise<void> {
  const { coordinator, log, random, stopping } = bench;
  const space = coordinator.kv<string>(spaces.fading);
  while (!stopping.aborted) {
    const key = fadingKey(random.below(spaces.places));
    const calledAt = sharedNowMs();
    try {
      const value = (await space.get(key))?.value ?? null;
      log.write({ event: "fading-seen", key, value, calledAt });
    } catch (error) {
      log.write({ event: "entry-failed", call: 0, code: codeOf(error) });
      await restAfterFailure(bench);
    }
    await rest(bench, 5, 40);
  }
}
