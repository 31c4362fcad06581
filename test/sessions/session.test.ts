// Goal: a session renews itself, learns of its own loss, and an observer and a holder never both believe.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { Session } from "../../src/sessions/session.ts";
import { SessionObserver } from "../../src/sessions/session-observer.ts";
import { SessionPool } from "../../src/sessions/session-pool.ts";
import { decodeSession, encodeSession, sessionKey } from "../../src/sessions/session-record.ts";
import { isOver, type TicketClaim } from "../../src/sessions/ticket-book.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";

const ttlMs = 9_000;
const driftTolerance = 0.1;

function setUp() {
  const runtime = createVirtualRuntime();
  const store = memoryBackend({ runtime });
  const backend = observeBackend(store);
  const client = { host: "host", pid: 1 };
  const context = { backend, runtime, namespace: "n", client };
  const observer = new SessionObserver({ backend: store, runtime, namespace: "n", driftTolerance });
  /** One look of an observer, as a waiter takes it. */
  const look = async (session: string) => {
    const sentAtMs = runtime.monotonicMs();
    const [record] = await store.get([observer.keyOf(session)]);
    return observer.note(session, record ?? null, sentAtMs, ttlMs);
  };
  return { runtime, store, backend, context, observer, look };
}

describe("a session", () => {
  test("is renewed three times in a TTL by one write each, for ever", async () => {
    const { runtime, context, backend, store } = setUp();
    const session = await Session.open(context, ttlMs);
    backend.resetCounts();
    await runtime.advance(100 * ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 300, wakes: 0 });
    expect(session.state).toBe("held");
    const key = sessionKey("n", session.id);
    const [record] = await store.get([key]);
    expect(record && decodeSession(key, record.value)).toMatchObject({ state: "live", ttlMs, beat: 301 });
  });

  test("tells each listener of its loss once, later ones at once, and none that unsubscribed", async () => {
    const { runtime, context, backend } = setUp();
    const session = await Session.open(context, ttlMs);
    const told: string[] = [];
    const listener = (name: string) => ({ onSessionLost: () => told.push(name) });
    const [first, second] = [listener("first"), listener("second")];
    session.addLossListener(first);
    session.addLossListener(second);
    session.removeLossListener(second);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    await runtime.advance(2 * ttlMs);
    session.addLossListener(listener("late"));
    expect(told).toEqual(["first", "late"]);
    expect(runtime.timerCount).toBe(0);
  });

  test("that meets a state older than its own, as after a restored backup, ends at its deadline", async () => {
    const { runtime, context, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const key = sessionKey("n", session.id);
    const [old] = await store.get([key]);
    await runtime.advance(2 * ttlMs);
    await store.commit([{ kind: "put", key, value: old?.value ?? new Uint8Array() }]);
    await runtime.advance(0.6 * ttlMs);
    expect(session.state).toBe("uncertain");
    await runtime.advance(ttlMs / 2);
    expect(session.state).toBe("lost");
  });

  test("whose record a lagging replica does not show lives on, and one whose record is gone is lost", async () => {
    const { runtime, context, backend, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const key = sessionKey("n", session.id);
    let losesAnswers = true;
    backend.intercept(async (request, send) => {
      const answer = await send();
      // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
      if (request.kind === "get") return [null] as any;
      if (losesAnswers) throw new OutcomeUnknownError("lost");
      // As on a store whose conflicts do not tell what they met.
      const { committed } = answer as { committed: boolean };
      // biome-ignore lint/suspicious/noExplicitAny: as above.
      return committed ? answer : ({ committed, conflicts: [{ key }] } as any);
    });
    await runtime.advance(ttlMs / 3);
    losesAnswers = false;
    await runtime.advance(ttlMs / 6);
    expect(session.lost).toBeUndefined();
    await store.commit([{ kind: "delete", key }]);
    await runtime.advance(ttlMs / 3);
    expect(session.lost?.message).toContain("vanished");
    const [record] = await store.get([key]);
    expect(record && decodeSession(key, record.value)).toMatchObject({ state: "dead", by: session.id });
  });

  test("of a machine that slept while its clock was set back is lost at the first question", async () => {
    const { runtime, context } = setUp();
    const session = await Session.open(context, ttlMs);
    runtime.sleepMachine(2 * ttlMs);
    runtime.jumpWall(-1.5 * ttlMs);
    session.check();
    expect(session.state).toBe("lost");
  });

  test("whose clock was set back lives on", async () => {
    const { runtime, context } = setUp();
    const session = await Session.open(context, ttlMs);
    runtime.jumpWall(-100 * ttlMs);
    session.check();
    expect(session.state).toBe("held");
    await runtime.advance(10 * ttlMs);
    expect(session.state).toBe("held");
  });

  test("whose end comes between two heartbeats leaves no record", async () => {
    const { runtime, context, backend, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const late: (() => Promise<unknown>)[] = [];
    backend.intercept((request, send) => {
      const isBeat = request.kind === "commit" && request.operations[0]?.kind === "put";
      if (!isBeat)
        return late
          .splice(0, 1)
          .reduce((before, beat) => before.then(beat), Promise.resolve<unknown>(0))
          .then(send);
      return new Promise((resolve, reject) => late.push(() => send().then(resolve, reject)));
    });
    await runtime.advance(ttlMs / 3);
    await session.close();
    expect(late).toEqual([]);
    expect(await store.get([sessionKey("n", session.id)])).toEqual([null]);
  });

  test("tells which of its tickets are over: one by one, and of very many the first", async () => {
    const { runtime, context, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const key = sessionKey("n", session.id);
    const told = async (): Promise<TicketClaim | undefined> => {
      await runtime.advance(ttlMs / 3);
      const [record] = await store.get([key]);
      const decoded = record == null ? undefined : decodeSession(key, record.value);
      return decoded?.state === "live" ? decoded.tickets : undefined;
    };
    const [first, second, third] = [session.takeTicket(), session.takeTicket(), session.takeTicket()];
    session.endTicket(second);
    const claim = await told();
    expect(claim).toEqual({ next: 4, open: [first, third] });
    expect([first, second, third, 4].map((ticket) => claim && isOver(claim, ticket))).toEqual([
      false,
      true,
      false,
      false,
    ]);
    for (let more = 0; more < 40; more += 1) session.takeTicket();
    session.endTicket(first);
    expect(await told()).toEqual({ next: third, open: [] });
  });

  test("whose record was overwritten by something else ends at its deadline, and leaves that alone", async () => {
    const { runtime, context, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const key = sessionKey("n", session.id);
    await store.commit([{ kind: "put", key, value: Buffer.from("else") }]);
    await runtime.advance(ttlMs);
    expect(session.state).toBe("lost");
    expect(session.lost?.cause).toMatchObject({ code: "CORRUPT_RECORD" });
    expect(Buffer.from((await store.get([key]))[0]?.value ?? []).toString()).toBe("else");
  });

  test("opened too slowly for its TTL is refused, and leaves no timer", async () => {
    const { runtime, context, backend } = setUp();
    backend.intercept(async (_request, send) => {
      const answer = await send();
      runtime.stall(ttlMs);
      return answer;
    });
    await expect(Session.open(context, ttlMs)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(runtime.timerCount).toBe(0);
  });

  test("that is lost listens for no wakes any more, also when asked to only now", async () => {
    const { context, store } = setUp();
    let subscriptions = 0;
    const onWake: typeof store.onWake = (client, listener) => {
      subscriptions += 1;
      const unsubscribe = store.onWake(client, listener);
      return () => {
        subscriptions -= 1;
        unsubscribe();
      };
    };
    const counted = { ...context, backend: { ...context.backend, onWake } };
    const woken = await Session.open(counted, ttlMs);
    woken.onWake("key", () => undefined);
    expect(subscriptions).toBe(1);
    const quiet = await Session.open(counted, ttlMs);
    await Promise.all([woken.close(), quiet.close()]);
    quiet.onWake("key", () => undefined)();
    expect(subscriptions).toBe(0);
  });

  test("wakes nobody after it is closed, and closes once", async () => {
    const { context, backend, store } = setUp();
    const session = await Session.open(context, ttlMs);
    let woken = 0;
    const stop = session.onWake("key", () => {
      woken += 1;
    });
    store.wake(session.id, "key");
    store.wake(session.id, "other");
    await Promise.resolve();
    expect(woken).toBe(1);
    backend.resetCounts();
    await Promise.all([session.close(), session.close()]);
    store.wake(session.id, "key");
    await Promise.resolve();
    expect(woken).toBe(1);
    expect(backend.counts.writes).toBe(1);
    stop();
  });
});

describe("an observer and a holder", () => {
  test("never both believe, whatever happens to heartbeats, looks and tombstones", async () => {
    const event = fc.record({
      waitMs: fc.integer({ min: 1, max: ttlMs }),
      holder: fc.constantFrom("works", "lost before", "lost after", "stalls"),
      observer: fc.constantFrom("looks", "looks", "looks", "rests"),
    });
    const outcomes = { declared: 0, survived: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
        const { runtime, context, backend, observer, look } = setUp();
        const session = await Session.open(context, ttlMs);
        let mode = "works";
        backend.intercept(async (_request, send) => {
          if (mode === "lost before") throw new UnavailableError("down");
          const answer = await send();
          if (mode === "lost after") throw new OutcomeUnknownError("no answer");
          return answer;
        });
        for (const { waitMs, holder, observer: doing } of events) {
          mode = holder;
          if (holder === "stalls") runtime.stall(waitMs);
          else await runtime.advance(waitMs);
          const verdict = doing === "looks" ? await look(session.id) : undefined;
          const isDue = verdict?.state === "watched" && verdict.untilDeathMs === 0;
          if (isDue && (await observer.declareDead(session.id, "observer"))) {
            outcomes.declared += 1;
            expect(session.state).toBe("lost");
            return;
          }
        }
        outcomes.survived += 1;
      }),
      { numRuns: 300 },
    );
    expect(outcomes.declared).toBeGreaterThan(10);
    expect(outcomes.survived).toBeGreaterThan(10);
  });

  test("agree after a tombstone: the next heartbeat finds it", async () => {
    const { runtime, context, store } = setUp();
    const session = await Session.open(context, ttlMs);
    const value = encodeSession({ state: "dead", by: "somebody", atMs: 0 });
    await store.commit([{ kind: "put", key: sessionKey("n", session.id), value }]);
    await runtime.advance(ttlMs / 3);
    expect(session.state).toBe("lost");
    expect(session.lost?.message).toContain("somebody");
  });

  test("a heartbeat that comes between the look and the tombstone wins, and the observer starts again", async () => {
    const { runtime, context, backend, observer, look } = setUp();
    const session = await Session.open(context, ttlMs);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    for (let looks = 0; looks < 4; looks += 1) {
      await look(session.id);
      await runtime.advance(ttlMs / 4);
      backend.intercept(undefined);
      if (looks < 3) backend.intercept(() => Promise.reject(new UnavailableError("down")));
    }
    await runtime.advance(ttlMs / 6);
    expect(await observer.declareDead(session.id, "observer")).toBe(false);
  });

  test("a session nobody observed long enough is not declared dead by a write either", async () => {
    const { context, backend, store, observer, look } = setUp();
    const session = await Session.open(context, ttlMs);
    expect(await observer.declareDead(session.id, "observer")).toBe(false);
    await look(session.id);
    expect(await observer.declareDead(session.id, "observer")).toBe(false);
    expect(backend.counts.writes).toBe(1);
    const [record] = await store.get([sessionKey("n", session.id)]);
    expect(record && decodeSession("key", record.value).state).toBe("live");
  });

  test("an observer whose tombstone was put by another one first knows it by the conflict", async () => {
    const { runtime, context, store, observer, look, backend } = setUp();
    const session = await Session.open(context, ttlMs);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    for (let looks = 0; looks < 5; looks += 1) {
      await look(session.id);
      await runtime.advance(ttlMs / 3);
    }
    const value = encodeSession({ state: "dead", by: "another", atMs: 0 });
    await store.commit([{ kind: "put", key: sessionKey("n", session.id), value }]);
    expect(await observer.declareDead(session.id, "observer")).toBe(true);
  });

  test("an observer forgets the sessions it has not seen for longest, and is no less right", async () => {
    const { runtime, context, look, backend } = setUp();
    const session = await Session.open(context, ttlMs);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    await look(session.id);
    for (let other = 0; other < 5_000; other += 1) await look(`other-${other}`);
    await runtime.advance(ttlMs / 2);
    expect(await look(session.id)).toMatchObject({
      state: "watched",
      untilDeathMs: ttlMs * (1 + driftTolerance),
    });
  });
});

describe("a pool", () => {
  test("opens one session for each TTL, however many ask at once", async () => {
    const { context, backend } = setUp();
    const pool = new SessionPool(context);
    const sessions = await Promise.all([1_000, 1_000, 2_000, 1_000].map((ttl) => pool.get(ttl)));
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(2);
    expect(backend.counts.writes).toBe(2);
    await pool.close();
    await expect(pool.get(1_000)).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("forgets a failed opening and a lost session, and opens another", async () => {
    const { runtime, context, backend } = setUp();
    const pool = new SessionPool(context);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    await expect(pool.get(ttlMs)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    backend.intercept(undefined);
    const first = await pool.get(ttlMs);
    expect(pool.owns(first.id)).toBe(true);
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    await runtime.advance(ttlMs);
    expect(pool.owns(first.id)).toBe(false);
    backend.intercept(undefined);
    expect((await pool.get(ttlMs)).id).not.toBe(first.id);
  });
});
