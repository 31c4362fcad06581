// Goal: a message reaches the holder of a session in time on every backend, costs nothing while there is none, and
// neither renews a session, nor ends or shortens one, whenever it comes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Operation } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { postRequest } from "../../src/sessions/post-request.ts";
import { Session } from "../../src/sessions/session.ts";
import { SessionObserver } from "../../src/sessions/session-observer.ts";
import { decodeSession, encodeSession, sessionKey } from "../../src/sessions/session-record.ts";
import { addRequest, requestsMax, type SessionRequest } from "../../src/sessions/session-request.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { withCapabilities } from "../locks/world.ts";

const ttlMs = 9_000;

function setUp({ wakes = false, tellsConflicts = true } = {}) {
  const runtime = createVirtualRuntime();
  const store = withCapabilities(memoryBackend({ runtime }), { wake: wakes });
  const backend = observeBackend(store);
  const context = { backend, runtime, namespace: "n", client: { host: "host", pid: 1 } };
  if (!tellsConflicts) {
    backend.intercept(async (_request, send) => {
      const answer = await send();
      if (!("committed" in answer) || answer.committed) return answer;
      // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
      return { committed: false, conflicts: answer.conflicts.map(({ key }) => ({ key })) } as any;
    });
  }
  const asker = { backend: store, runtime, namespace: "n" };
  const message = (id: string, change: Partial<SessionRequest> = {}): SessionRequest => ({
    ...{ id, kind: "revoke", ticket: 1, by: "admin", reason: "because", atMs: 1 },
    ...change,
  });
  const open = async () => {
    const session = await Session.open(context, ttlMs);
    const heard: string[] = [];
    const onRequest = ({ id }: SessionRequest) => heard.push(id) > 0;
    session.addLossListener({ onSessionLost: () => heard.push("lost"), onRequest });
    backend.resetCounts();
    return { session, heard };
  };
  const recordOf = async ({ id }: Session) => {
    const [record] = await store.get([sessionKey("n", id)]);
    const decoded = record == null ? undefined : decodeSession(record.key, record.value);
    return decoded?.state === "live" ? decoded : undefined;
  };
  return { runtime, store, backend, asker, message, open, recordOf };
}

describe("a message", () => {
  test.each([true, false])(
    "is heard at the next heartbeat and is gone with it, where conflicts tell what they met: %s",
    async (tellsConflicts) => {
      const { runtime, asker, message, open, recordOf, backend } = setUp({ tellsConflicts });
      const { session, heard } = await open();
      await runtime.advance(1);
      expect(await postRequest(asker, session.id, message("a"))).toBe("posted");
      expect(await recordOf(session)).toMatchObject({ beat: 1, requests: [{ id: "a", reason: "because" }] });
      await runtime.advance(ttlMs / 3 - 1);
      expect(heard).toEqual(["a"]);
      expect(await recordOf(session)).not.toHaveProperty("requests");
      expect(backend.counts).toMatchObject({ writes: 2, reads: tellsConflicts ? 0 : 1 });
      await runtime.advance(10 * ttlMs);
      expect(heard).toEqual(["a"]);
      expect(backend.counts.writes).toBe(2 + 30);
    },
  );

  test("is heard at once where the backend wakes, by one write, and gone by another soon after", async () => {
    const { runtime, asker, message, open, recordOf, backend } = setUp({ wakes: true });
    const { session, heard } = await open();
    await runtime.advance(ttlMs / 6);
    await postRequest(asker, session.id, message("a"));
    await runtime.advance(0);
    expect(heard).toEqual(["a"]);
    expect(backend.counts).toEqual({ reads: 0, writes: 1, wakes: 0 });
    await runtime.advance(ttlMs / 30);
    expect(backend.counts.writes).toBe(2);
    expect(await recordOf(session)).not.toHaveProperty("requests");
    await runtime.advance(ttlMs / 3 - 1);
    expect(backend.counts.writes).toBe(2);
    expect(await recordOf(session)).not.toHaveProperty("requests");
  });

  test("among many wakes costs no more than a bounded number of writes", async () => {
    const { runtime, store, open, backend } = setUp({ wakes: true });
    const { session } = await open();
    for (let wake = 0; wake < 900; wake += 1) {
      store.wake(session.id, "message");
      await runtime.advance(ttlMs / 900);
    }
    expect(backend.counts.writes).toBeLessThanOrEqual(34);
    expect(session.state).toBe("held");
  });

  test("written twice after an unknown outcome is heard once", async () => {
    const { runtime, store, message, open } = setUp();
    const { session, heard } = await open();
    const shaky = observeBackend(store);
    let losses = 2;
    shaky.intercept(async (request, send) => {
      const answer = await send();
      if (request.kind === "get" || losses === 0) return answer;
      losses -= 1;
      throw new OutcomeUnknownError("lost");
    });
    const posting = postRequest({ backend: shaky, runtime, namespace: "n" }, session.id, message("a"));
    await runtime.advance(ttlMs / 3);
    expect(await posting).toBe("posted");
    expect(heard).toEqual(["a"]);
  });

  test("to a session that is closed, dead or gone says so, and a store that fails is told", async () => {
    const { runtime, store, asker, message, open } = setUp();
    const { session } = await open();
    await session.close();
    expect(await postRequest(asker, session.id, message("a"))).toBe("gone");
    expect(await store.get([sessionKey("n", session.id)])).toEqual([null]);
    expect(await postRequest(asker, session.id, message("a", { kind: "released" }))).toBe("gone");
    expect(await postRequest(asker, session.id, message("a", { kind: "released" }))).toBe("gone");
    const down = observeBackend(store);
    down.intercept(() => Promise.reject(new UnavailableError("down")));
    const failing = postRequest({ backend: down, runtime, namespace: "n" }, "somebody", message("a"));
    failing.catch(() => undefined);
    await runtime.advance(10_000);
    await expect(failing).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(down.counts.reads).toBe(5);
  });

  test("too many is refused; what was taken displaces what is asked for", async () => {
    const { asker, message, open, recordOf } = setUp();
    const { session } = await open();
    for (let ticket = 1; ticket <= requestsMax; ticket += 1) {
      expect(await postRequest(asker, session.id, message(`${ticket}`, { ticket }))).toBe("posted");
    }
    const [asked, taken] = [message("more", { ticket: 99 }), message("taken", { kind: "released" })];
    expect(await postRequest(asker, session.id, asked)).toBe("full");
    expect(await postRequest(asker, session.id, taken)).toBe("posted");
    const requests = (await recordOf(session))?.requests ?? [];
    expect(requests).toHaveLength(requestsMax);
    expect(requests.map(({ id }) => id)).not.toContain("1");
    expect(requests.at(-1)?.id).toBe("taken");
  });

  test("for a grant that its holder does not know of yet is kept for it, as long as its ticket is open", async () => {
    const { runtime, asker, message, open } = setUp();
    const { session } = await open();
    const other = await Session.open({ ...asker, client: { host: "host", pid: 2 } }, ttlMs);
    const ticket = other.takeTicket();
    await postRequest(asker, other.id, message("a", { ticket }));
    await postRequest(asker, other.id, message("b", { ticket, kind: "released" }));
    await postRequest(asker, other.id, message("c", { ticket: 77 }));
    await runtime.advance(ttlMs / 3);
    expect(other.unclaimed(ticket)).toMatchObject({ id: "b" });
    expect(other.unclaimed(77)).toBeUndefined();
    other.endTicket(ticket);
    expect(other.unclaimed(ticket)).toBeUndefined();
    expect(session.unclaimed(ticket)).toBeUndefined();
  });

  test("adds nothing but itself to a record", () => {
    const tickets = { next: 1, open: [] };
    const client = { host: "h", pid: 1 };
    const record = { state: "live", ttlMs, beat: 7, beatAtMs: 5, client, tickets } as const;
    const { message } = setUp();
    const delivery = addRequest(record, message("a"));
    expect(delivery).toEqual({ record: { ...record, requests: [message("a")] } });
    expect(decodeSession("key", encodeSession((delivery as { record: typeof record }).record))).toEqual({
      ...record,
      requests: [message("a")],
    });
  });
});

describe("the lease", () => {
  test("of a dead holder ends in time, however many messages come", async () => {
    const { runtime, store, backend, asker, message, open } = setUp();
    const { session } = await open();
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    const observer = new SessionObserver({ backend: store, runtime, namespace: "n", driftTolerance: 0.1 });
    let isDead = false;
    let looks = 0;
    for (; looks < 40 && !isDead; looks += 1) {
      await postRequest(asker, session.id, message(`${looks}`, { ticket: looks }));
      const sentAtMs = runtime.monotonicMs();
      const [record] = await store.get([observer.keyOf(session.id)]);
      observer.note(session.id, record ?? null, sentAtMs, ttlMs);
      isDead = await observer.declareDead(session.id, "observer");
      await runtime.advance(ttlMs / 10);
    }
    expect(isDead).toBe(true);
    expect(looks).toBeLessThanOrEqual(13);
    expect(await postRequest(asker, session.id, message("late"))).toBe("gone");
  });

  test("counts from the last heartbeat that was applied, with faults and messages in any order", async () => {
    const event = fc.record({
      waitMs: fc.integer({ min: 1, max: ttlMs / 3 }),
      holder: fc.constantFrom("works", "lost before", "lost after", "late"),
      asks: fc.boolean(),
    });
    const seen = { lost: 0, heard: 0, appliedInDoubt: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(event, { minLength: 5, maxLength: 40 }),
        async (wakes, events) => {
          const { runtime, backend, asker, message, open, recordOf } = setUp({ wakes });
          const openedAtMs = runtime.monotonicMs();
          const { session, heard } = await open();
          const sentAt = new Map<number, number>([[1, openedAtMs]]);
          let mode = "works";
          let late: (() => Promise<unknown>)[] = [];
          backend.intercept(async (request, send) => {
            const beat = request.kind === "commit" ? beatOf(request.operations[0]) : undefined;
            if (beat !== undefined) sentAt.set(beat, runtime.monotonicMs());
            if (mode === "lost before") throw new UnavailableError("down");
            if (mode === "late") {
              late.push(send);
              throw new OutcomeUnknownError("no answer");
            }
            const answer = await send();
            if (mode !== "lost after") return answer;
            seen.appliedInDoubt += 1;
            throw new OutcomeUnknownError("no answer");
          });
          let asked = 0;
          for (const { waitMs, holder, asks } of events) {
            mode = holder;
            if (asks) {
              asked += 1;
              await postRequest(asker, session.id, message(`${asked}`, { ticket: asked }));
            }
            await runtime.advance(waitMs);
            for (const send of late.splice(0)) await send();
            const record = await recordOf(session);
            if (record === undefined) throw new Error("nobody takes the record away");
            // Never later than what the store knows; and never earlier than what the holder was told.
            const endsAtMs = (sentAt.get(record.beat) ?? Number.NaN) + ttlMs;
            expect(runtime.monotonicMs() + session.remainingMs()).toBeLessThanOrEqual(
              session.lost === undefined ? endsAtMs : Number.POSITIVE_INFINITY,
            );
            if (session.lost !== undefined) break;
          }
          late = [];
          if (session.lost !== undefined) {
            seen.lost += 1;
            expect(session.lost.message).toContain("not renewed within");
            return;
          }
          mode = "works";
          await runtime.advance(ttlMs / 3);
          if (session.lost !== undefined) return;
          expect(new Set(heard).size).toBe(asked);
          expect(await recordOf(session)).not.toHaveProperty("requests");
          seen.heard += asked;
        },
      ),
      { numRuns: 300 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  test("is renewed against any number of askers: a full record conflicts no more", async () => {
    const { runtime, backend, asker, message, open } = setUp();
    const { session } = await open();
    let asked = 0;
    // Whenever a heartbeat is on its way, somebody is faster.
    backend.intercept(async (_request, send) => {
      asked += 1;
      await postRequest(asker, session.id, message(`${asked}`, { ticket: asked }));
      return send();
    });
    await runtime.advance(ttlMs / 3 + 10);
    expect(asked).toBe(requestsMax + 1);
    expect(session.remainingMs()).toBeGreaterThan(0.9 * ttlMs);
  });
});

function beatOf(operation: Operation | undefined): number | undefined {
  if (operation?.kind !== "put") return undefined;
  const record = decodeSession(operation.key, operation.value);
  return record.state === "live" ? record.beat : undefined;
}
