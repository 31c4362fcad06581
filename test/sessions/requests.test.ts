// Goal: a message reaches the holder of a session in time on every backend, costs nothing while there is none, and
// neither renews a session, nor ends or shortens one, whenever it comes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { CommitResult, Operation } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { postRequest } from "../../src/sessions/post-request.ts";
import { Session } from "../../src/sessions/session.ts";
import { SessionObserver } from "../../src/sessions/session-observer.ts";
import { decodeSession, encodeSession, sessionKey } from "../../src/sessions/session-record.ts";
import { addRequests, requestsMax, type SessionRequest } from "../../src/sessions/session-request.ts";
import { observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { track, withCapabilities } from "../locks/world.ts";

const ttlMs = 9_000;

function setUp({ wakes = false, tellsConflicts = true } = {}) {
  const runtime = createVirtualRuntime();
  const store = withCapabilities(memoryBackend({ runtime }), { wake: wakes });
  const backend = observeBackend(store);
  const context = { backend, runtime, namespace: "n", client: { host: "host", pid: 1 } };
  if (!tellsConflicts) {
    backend.intercept(async (_request, send) => {
      const answer = await send();
      if (!isConflict(answer)) return answer;
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

  test("waits for the next heartbeat when another stands there; what was taken does not wait for what is asked", async () => {
    const { runtime, asker, message, open, recordOf } = setUp();
    const { session, heard } = await open();
    const asked = [1, 2].map((ticket) => message(`asked ${ticket}`, { ticket }));
    const taken = [1, 2].map((ticket) => message(`taken ${ticket}`, { ticket, kind: "released" }));
    const posts = [];
    for (const request of [...asked, ...taken]) {
      // Another client each, or they would share their writes.
      const backend = observeBackend(asker.backend);
      posts.push(track(runtime, postRequest({ ...asker, backend }, session.id, request)));
      await runtime.settle();
    }
    expect(posts.map(({ state }) => state)).toEqual(["resolved", "pending", "resolved", "pending"]);
    expect((await recordOf(session))?.requests).toMatchObject([{ id: "asked 1" }, { id: "taken 1" }]);
    await runtime.advance(ttlMs);
    expect(posts.map(({ value }) => value)).toEqual(posts.map(() => "posted"));
    expect(new Set(heard)).toEqual(new Set([...asked, ...taken].map(({ id }) => id)));
  });

  test("is shared by all that one client has to say to a session: one read, and one write for each 32", async () => {
    const { runtime, store, message, open } = setUp({ wakes: true });
    const { session, heard } = await open();
    const backend = observeBackend(store);
    const asker = { backend, runtime, namespace: "n" };
    const requests = Array.from({ length: requestsMax + 1 }, (_, ticket) => message(`${ticket}`, { ticket }));
    const posting = requests.map((request) => track(runtime, postRequest(asker, session.id, request)));
    await runtime.settle();
    expect(posting.filter(({ value }) => value === "posted")).toHaveLength(requestsMax);
    expect(backend.counts).toMatchObject({ writes: 1, wakes: 1 });
    await runtime.advance(ttlMs / 3);
    expect(posting.at(-1)?.value).toBe("posted");
    expect(backend.counts).toMatchObject({ writes: 2, wakes: 2 });
    expect(new Set(heard).size).toBe(requestsMax + 1);
  });

  test("to a session that reads nothing any more is waited for once, for one TTL", async () => {
    const { runtime, backend, asker, message, open } = setUp();
    const { session } = await open();
    backend.intercept(() => Promise.reject(new UnavailableError("down")));
    const post = (id: string) =>
      track(runtime, postRequest(asker, session.id, message(id, { kind: "released", ticket: Number(id) })));
    const posted = post("0");
    await runtime.settle();
    expect(posted.value).toBe("posted");
    const waiting = ["1", "2", "3"].map(post);
    await runtime.advance(0.9 * ttlMs);
    expect(waiting.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    await runtime.advance(0.2 * ttlMs);
    expect(waiting.map(({ value }) => value)).toEqual(["full", "full", "full"]);
    // What was seen is remembered: the next one does not wait.
    const late = post("4");
    await runtime.settle();
    expect(late.value).toBe("full");
    expect(session.lost).toBeDefined();
  });

  test("for a grant that its holder does not know of yet is kept for it, as long as its ticket is open", async () => {
    const { runtime, asker, message, open } = setUp();
    const { session } = await open();
    const other = await Session.open({ ...asker, client: { host: "host", pid: 2 } }, ttlMs);
    const ticket = other.takeTicket();
    const requests = [message("a", { ticket }), message("c", { ticket: 77 })];
    await Promise.all(requests.map((request) => postRequest(asker, other.id, request)));
    await postRequest(asker, other.id, message("b", { ticket, kind: "released" }));
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
    const delivery = addRequests(record, [message("a")]);
    const changed = { ...record, requests: [message("a")] };
    expect(delivery).toEqual({ record: changed, posted: [message("a")] });
    expect(decodeSession("key", encodeSession(changed))).toEqual(changed);
    expect(addRequests(changed, [message("b")])).toEqual({ record: undefined, posted: [message("b")] });
    expect(addRequests(changed, [message("b", { ticket: 2 })])).toEqual({ record: undefined, posted: [] });
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
      track(runtime, postRequest(asker, session.id, message(`${looks}`, { ticket: looks })));
      await runtime.settle();
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
              track(runtime, postRequest(asker, session.id, message(`${asked}`, { ticket: asked })));
              await runtime.settle();
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
          for (let step = 0; step < 12; step += 1) await runtime.advance(ttlMs / 10);
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

  test.each([true, false])(
    "is renewed against any number of askers, where conflicts tell what they met: %s",
    async (tellsConflicts) => {
      // Whenever there is room, somebody has a message, at any two moments after a heartbeat: it comes second at most
      // twice, and twice three round trips of a tenth of the TTL fit into what is left of it.
      const roundTripMs = ttlMs / 10;
      let leastMs = ttlMs;
      for (let first = 0.3; first < 1; first += 0.03) {
        for (let second = first; second < 1; second += 0.03) {
          const { runtime, backend, asker, message, open } = setUp();
          const { session } = await open();
          const delay = (ms: number) => new Promise<void>((resolve) => runtime.schedule(ms, resolve));
          backend.intercept(async (_request, send) => {
            await delay(roundTripMs / 2);
            const answer = await send();
            await delay(roundTripMs / 2);
            if (tellsConflicts || !isConflict(answer)) return answer;
            // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
            return { committed: false, conflicts: answer.conflicts.map(({ key }) => ({ key })) } as any;
          });
          const post = (kind: SessionRequest["kind"]) =>
            track(runtime, postRequest(asker, session.id, message(kind, { kind })));
          runtime.schedule(first * ttlMs, () => void post("revoke"));
          runtime.schedule(second * ttlMs, () => void post("released"));
          for (let step = 0; step < 50; step += 1) {
            await runtime.advance(ttlMs / 30);
            leastMs = Math.min(leastMs, session.remainingMs());
          }
        }
      }
      expect(leastMs).toBeGreaterThan(0.15 * ttlMs);
    },
  );
});

function beatOf(operation: Operation | undefined): number | undefined {
  if (operation?.kind !== "put") return undefined;
  const record = decodeSession(operation.key, operation.value);
  return record.state === "live" ? record.beat : undefined;
}

function isConflict(answer: unknown): answer is CommitResult & { readonly committed: false } {
  return (answer as Partial<CommitResult> | null)?.committed === false;
}
