// Goal: the result of the first run is what everybody gets, at the price that the documentation states.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import { connect, type OnceRun, textCodec } from "../../src/index.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { now, track } from "../locks/world.ts";
import { type Client, createWorld, ttlMs, type World } from "../sequences/world.ts";

const key = recordKey("default", "once", "pay");
const dayMs = 86_400_000;

function kinds({ requests }: Client): readonly string[] {
  return requests.splice(0).map(({ kind }) => kind);
}

async function roster({ store }: World) {
  const [record] = await store.get([key]);
  return record == null ? undefined : decodeRoster(record.key, record.value).roster;
}

/** Work that ends when it is told to. */
function patientWork() {
  const begun: OnceRun[] = [];
  const ends: ((result: string) => void)[] = [];
  const work = (run: OnceRun): Promise<string> => {
    begun.push(run);
    return new Promise((resolve) => ends.push(resolve));
  };
  return { begun, work, end: (result: string) => ends.shift()?.(result) };
}

describe("the result", () => {
  test("is that of the first run, for everybody, with one read", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const pay = ({ coordinator }: Client, receipt: string) => coordinator.once("pay", () => ({ receipt }));
    expect(await now(world.runtime, pay(one, "A"))).toEqual({ receipt: "A" });
    expect(kinds(one)).toEqual(["get", "time", "commit", "commit"]);
    expect(await now(world.runtime, pay(one, "B"))).toEqual({ receipt: "A" });
    expect(kinds(one)).toEqual(["get"]);
    expect(await now(world.runtime, pay(other, "C"))).toEqual({ receipt: "A" });
    expect(kinds(other)).toEqual(["get", "time"]);
    const all = await now(world.runtime, Promise.all(Array.from({ length: 20 }, () => pay(other, "D"))));
    expect(new Set(all.map(({ receipt }) => receipt))).toEqual(new Set(["A"]));
    expect(kinds(other)).toEqual(["get"]);
    expect(await roster(world)).toMatchObject({
      holders: [],
      note: { attempt: 1, result: { kind: "text" } },
    });
  });

  test("may be undefined, text, bytes and null; what the first gets is what the others get", async () => {
    await using coordinator = await connect("memory:");
    for (const name of ["first", "second"]) {
      expect(await coordinator.once<unknown>("undefined", () => undefined)).toBe(undefined);
      expect(await coordinator.once<unknown>("null", () => null)).toBe(null);
      expect(await coordinator.once<string>("text", () => name, { codec: textCodec })).toBe("first");
      const given = await coordinator.once<unknown>("left out", () => ({ a: undefined, b: 1 }));
      expect(Object.keys(given as object)).toEqual(["b"]);
    }
    const bytes = { type: "raw", encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
    for (const first of [Uint8Array.of(0, 255, 128), Uint8Array.of(0xef, 0xbb, 0xbf, 65), new Uint8Array()]) {
      const name = `bytes ${first}`;
      expect([...(await coordinator.once(name, () => first, { codec: bytes }))]).toEqual([...first]);
      expect([...(await coordinator.once(name, () => Uint8Array.of(1), { codec: bytes }))]).toEqual([
        ...first,
      ]);
    }
    await expect(coordinator.once("text", () => 1)).rejects.toMatchObject({ code: "INVALID_VALUE" });
  });

  test("is kept for its retention to the millisecond of the store's clock, counted from its end; then the key is new", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const take = (name: string) =>
      coordinator.once("pay", ({ attempt }) => `${name} ${attempt}`, {
        retention: 60_000,
        fingerprint: name,
      });
    const first = patientWork();
    const running = coordinator.once("pay", first.work, { retention: 60_000, fingerprint: "one" });
    await world.runtime.advance(50_000);
    first.end("slow");
    expect(await now(world.runtime, running)).toBe("slow");
    await world.runtime.advance(59_000);
    expect(await now(world.runtime, take("one"))).toBe("slow");
    await world.runtime.advance(1_100);
    expect(await now(world.runtime, take("two"))).toBe("two 1");
  });

  test("is kept for a day, or for ever, and its record no longer than needed", async () => {
    const world = createWorld();
    const { coordinator } = world.client({ ttlMs: dayMs });
    await now(
      world.runtime,
      coordinator.once("pay", () => "a day"),
    );
    await now(
      world.runtime,
      coordinator.once("kept", () => "for ever", { retention: Number.POSITIVE_INFINITY }),
    );
    await world.runtime.advance(dayMs - 5_000);
    expect(
      await now(
        world.runtime,
        coordinator.once("pay", () => "again"),
      ),
    ).toBe("a day");
    await world.runtime.advance(3_700_000);
    await world.store.commit([{ kind: "put", key: "any", value: new Uint8Array() }]);
    expect(await roster(world)).toBe(undefined);
    await world.runtime.advance(300 * dayMs);
    expect(
      await now(
        world.runtime,
        coordinator.once("kept", () => "again"),
      ),
    ).toBe("for ever");
  });
});

describe("who comes while the work runs", () => {
  test("waits for its result, in the same process without a request, and in others without a write", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begun, work, end } = patientWork();
    const first = track(world.runtime, one.coordinator.once("pay", work));
    await world.runtime.settle();
    kinds(one);
    const sameProcess = Array.from({ length: 5 }, () =>
      track(world.runtime, one.coordinator.once("pay", work)),
    );
    const otherProcess = Array.from({ length: 5 }, () =>
      track(world.runtime, other.coordinator.once("pay", work)),
    );
    await world.runtime.advance(60_000);
    expect(kinds(one)).toEqual([]);
    expect(kinds(other)).not.toContain("commit");
    end("paid");
    await world.runtime.settle();
    for (const { value } of [first, ...sameProcess, ...otherProcess]) expect(value).toBe("paid");
    expect(begun).toHaveLength(1);
    expect(kinds(one).filter((kind) => kind !== "time")).toEqual(["commit"]);
    expect(kinds(other)).not.toContain("commit");
  });

  test("is told IN_PROGRESS, at once or when its wait is over, and changes nothing", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begun, work, end } = patientWork();
    const first = one.coordinator.once("pay", work);
    const rushed = one.coordinator.once("pay", work, { wait: 0 });
    await expect(now(world.runtime, rushed)).rejects.toMatchObject({ code: "IN_PROGRESS", retryable: true });
    for (const { coordinator } of [one, other]) {
      const refused = coordinator.once("pay", work, { wait: 0 });
      await expect(now(world.runtime, refused)).rejects.toMatchObject({ code: "IN_PROGRESS" });
      if (coordinator === other.coordinator) expect(kinds(other)).toEqual(["get", "time", "get"]);
      const impatient = track(world.runtime, coordinator.once("pay", work, { wait: "1s" }));
      await world.runtime.advance(1_000);
      expect(impatient.error).toMatchObject({ code: "IN_PROGRESS" });
    }
    end("paid");
    expect(await now(world.runtime, first)).toBe("paid");
    expect(await now(world.runtime, other.coordinator.once("pay", work, { wait: 0 }))).toBe("paid");
    expect(begun).toHaveLength(1);
  });

  test("with wait 0 gets a result that is being read, and runs the work where nobody is at it", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const options = { wait: 0 };
    expect(
      await now(
        world.runtime,
        coordinator.once("pay", () => 1, options),
      ),
    ).toBe(1);
    const both = [coordinator.once("pay", () => 2, options), coordinator.once("pay", () => 3, options)];
    expect(await now(world.runtime, Promise.all(both))).toEqual([1, 1]);
  });

  test("gives up by its signal alone; the others wait on", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { work, end } = patientWork();
    const first = one.coordinator.once("pay", work);
    await world.runtime.settle();
    for (const { coordinator } of [one, other]) {
      const controller = new AbortController();
      const given = track(world.runtime, coordinator.once("pay", work, { signal: controller.signal }));
      await world.runtime.settle();
      controller.abort(new Error("changed my mind"));
      await world.runtime.settle();
      expect(given.error).toMatchObject({ code: "ABORTED", cause: new Error("changed my mind") });
    }
    const late = other.coordinator.once("pay", work, { signal: AbortSignal.abort() });
    await expect(now(world.runtime, late)).rejects.toMatchObject({ code: "ABORTED" });
    end("paid");
    expect(await now(world.runtime, first)).toBe("paid");
  });
});

describe("work", () => {
  test("that throws stores nothing: whoever waited runs its own, and knows of it, with a larger fence", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const runs: OnceRun[] = [];
    const failing = (run: OnceRun): Promise<string> => {
      runs.push(run);
      return Promise.reject(new Error(`failure ${runs.length}`));
    };
    const succeeding = (run: OnceRun): string => {
      runs.push(run);
      return "paid";
    };
    const first = track(world.runtime, one.coordinator.once("pay", failing));
    const second = track(world.runtime, one.coordinator.once("pay", failing));
    const third = track(world.runtime, other.coordinator.once("pay", succeeding));
    await world.runtime.advance(1_000);
    const settled = [first, second, third];
    expect(settled.map(({ state }) => state)).not.toContain("pending");
    expect(third.value).toBe("paid");
    for (const { error, value } of [first, second]) {
      expect(value === "paid" || /failure/.test(String(error))).toBe(true);
    }
    expect(runs.map(({ attempt }) => attempt)).toEqual(runs.map((_, index) => index + 1));
    const fences = runs.map(({ fence }) => fence);
    expect(fences).toEqual([...new Set(fences)].sort((left, right) => left - right));
  });

  test("hears of the caller's signal, and its result counts all the same", async () => {
    const world = createWorld();
    const { coordinator } = world.client();
    const controller = new AbortController();
    const { begun, work, end } = patientWork();
    const running = coordinator.once("pay", work, { signal: controller.signal });
    await world.runtime.settle();
    controller.abort();
    expect(begun[0]?.signal.aborted).toBe(true);
    end("paid");
    expect(await now(world.runtime, running)).toBe("paid");
    expect(await now(world.runtime, coordinator.once("pay", work))).toBe("paid");
  });

  test("is waited for by close, and its result stored; who waits is told", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begun, work, end } = patientWork();
    const running = one.coordinator.once("pay", work);
    await world.runtime.settle();
    const rider = track(world.runtime, one.coordinator.once("pay", work));
    const far = track(world.runtime, other.coordinator.once("pay", work));
    await world.runtime.settle();
    const closing = track(world.runtime, one.coordinator.close());
    const [, farClosed] = [undefined, other.coordinator.close()];
    await world.runtime.settle();
    expect(begun[0]?.signal.aborted).toBe(true);
    expect(rider.error).toMatchObject({ code: "CLOSED" });
    expect(far.error).toMatchObject({ code: "CLOSED" });
    expect(closing.state).toBe("pending");
    end("paid");
    expect(await now(world.runtime, running)).toBe("paid");
    await now(world.runtime, farClosed);
    expect(closing.state).toBe("resolved");
    const closed = one.coordinator.once("pay", work);
    await expect(now(world.runtime, closed)).rejects.toMatchObject({ code: "CLOSED" });
    const third = world.client();
    expect(await now(world.runtime, third.coordinator.once("pay", work))).toBe("paid");
  });

  test("holds a lease that others see, and that can be taken by force", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const { begun, work, end } = patientWork();
    const running = track(world.runtime, one.coordinator.once("pay", work));
    await world.runtime.settle();
    const seen = await now(world.runtime, other.coordinator.inspect("pay", { kind: "once" }));
    expect(seen?.holders).toHaveLength(1);
    const listed: string[] = [];
    for await (const { kind, name } of other.coordinator.list()) listed.push(`${kind} ${name}`);
    expect(listed).toEqual(["once pay"]);
    await now(world.runtime, other.coordinator.forceRelease("pay", { kind: "once", reason: "it hangs" }));
    await world.runtime.advance(ttlMs);
    expect(begun[0]?.signal.aborted).toBe(true);
    expect(
      await now(
        world.runtime,
        other.coordinator.once("pay", ({ attempt }) => `run ${attempt}`),
      ),
    ).toBe("run 2");
    end("late");
    await world.runtime.advance(ttlMs);
    expect(running.value).toBe("run 2");
  });
});
