// Goal: a server that is killed or frozen loses nothing that it acknowledged, leaves nobody waiting for longer than a
// request may take, and never makes a write look refused that was applied.
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { natsServer, waitUntil } from "../servers/index.ts";
import { clients } from "./nats-clients.ts";
import { openNatsStore, put, putNow, read, readText } from "./nats-stores.ts";

const requestMs = 500;
const frozenRequestMs = 2_000;
// Repeats of what was refused at once take up to a second, and the machine that runs the tests is busy.
const answerMaxMs = requestMs + 1_000 + 1_500;
const servers = ["2.15", "2.10"] as const;
const soon = { timeoutMs: 15_000, intervalMs: 20 };

interface Attempt {
  readonly error: unknown;
  readonly tookMs: number;
}

async function timed(request: () => Promise<unknown>): Promise<Attempt> {
  const startedMs = performance.now();
  const error = await request().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - startedMs };
}

function expectHonest(
  attempts: readonly Attempt[],
  allowed: readonly (new (message: string) => Error)[],
  maxMs = answerMaxMs,
) {
  const wrong = attempts.filter(
    ({ error }) => error !== undefined && !allowed.some((Class) => error instanceof Class),
  );
  expect(wrong).toEqual([]);
  expect(Math.max(...attempts.map(({ tookMs }) => tookMs))).toBeLessThan(maxMs);
}

/** Writes a chain of versions until told to stop, and remembers the last that was acknowledged. */
function startWriter(backend: Backend, key: string) {
  const attempts: Attempt[] = [];
  const state = { acknowledged: 0, attempted: 0, version: null as string | null };
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      state.attempted += 1;
      const attempt = await timed(async () => {
        const result = await backend.commit([put(key, String(state.attempted), state.version)]);
        if (!result.committed) throw new Error(`conflict of the only writer at ${state.attempted}`);
        state.version = result.versions[0] ?? null;
        state.acknowledged = state.attempted;
      });
      attempts.push(attempt);
      if (!(attempt.error instanceof OutcomeUnknownError)) continue;
      // Whether it was applied only a read tells, once the server is back.
      const record = await waitUntil(async () => ({ now: await read(backend, key) }), {
        ...soon,
        what: "the server to answer again",
      });
      const standing = Number(Buffer.from(record.now?.value ?? []).toString());
      expect([state.acknowledged, state.attempted]).toContain(standing);
      state.acknowledged = standing;
      state.version = record.now?.version ?? null;
    }
  };
  const running = run();
  return {
    attempts,
    state,
    async stop() {
      isOver = true;
      await running;
    },
  };
}

describe.each(clients)("over %s,", (_client, connect) => {
  test.for(servers)("a killed server keeps records, versions and deletes, %s", async (version) => {
    await using server = await natsServer({ version });
    await using store = await openNatsStore(connect, server.url, { requestTimeout: requestMs });
    const { backend } = store;
    const kept = await putNow(backend, "kept", "here", null);
    await putNow(backend, "gone", "soon", null);
    await backend.commit([{ kind: "delete", key: "gone" }]);
    const sum = await backend.add("count", 5, { writer: "w", sequence: 1 });
    const writer = startWriter(backend, "chain");
    await waitUntil(async () => (writer.state.acknowledged >= 50 ? true : null), {
      ...soon,
      what: "50 writes",
    });
    const reads: Attempt[] = [];
    for (let crash = 0; crash < 2; crash += 1) {
      await server.kill();
      reads.push(...(await Promise.all([timed(() => backend.get(["kept"])), timed(() => backend.scan(""))])));
      await server.restart();
      const after = writer.state.acknowledged + 20;
      await waitUntil(async () => (writer.state.acknowledged >= after ? true : null), {
        ...soon,
        what: "writes after the restart",
      });
    }
    await writer.stop();
    expectHonest(writer.attempts, [UnavailableError, OutcomeUnknownError]);
    expectHonest(reads, [UnavailableError]);
    expect(await read(backend, "kept")).toMatchObject({ version: kept });
    expect(await read(backend, "gone")).toBeNull();
    expect(await readText(backend, "chain")).toBe(String(writer.state.acknowledged));
    expect(await backend.add("count", 5, { writer: "w", sequence: 1 })).toBe(sum);
    const over = await backend.commit([put("kept", "newer", kept)]);
    expect(over.committed).toBe(true);
    expect(Number(over.committed && over.versions[0])).toBeGreaterThan(Number(writer.state.version));
  });

  test("a write that begins while the server is down is refused at once, not unknown", async () => {
    await using server = await natsServer();
    await using store = await openNatsStore(connect, server.url, { requestTimeout: requestMs });
    await server.kill();
    const attempt = () => timed(() => store.backend.commit([put("a", "x")]));
    const refused = await waitUntil(
      async () => {
        const done = await attempt();
        return done.error instanceof UnavailableError ? done : null;
      },
      { ...soon, what: "the client to notice" },
    );
    expect(String(refused.error)).toContain("nothing was sent");
    await server.restart();
    await waitUntil(() => putNow(store.backend, "b", "y"), { ...soon, what: "the connection" });
    expect(await readText(store.backend, "a")).toBeNull();
  });

  test("watches and wakes go on after the server was killed", async () => {
    await using server = await natsServer();
    await using store = await openNatsStore(connect, server.url, { requestTimeout: requestMs });
    await using other = await openNatsStore(connect, server.url, { bucket: store.bucket });
    const heard = new Set<string>();
    store.backend.watch("a.", ({ key, record }) => heard.add(`${key} ${record?.version}`));
    store.backend.onWake("me", (hint) => heard.add(hint));
    await store.connection.flush();
    await server.kill();
    await server.restart();
    const version = await waitUntil(() => putNow(other.backend, "a.b", "x"), { ...soon, what: "a write" });
    expect(version).toBeTypeOf("string");
    await waitUntil(
      async () => {
        const latest = await putNow(other.backend, "a.c", "y");
        other.backend.wake("me", "up");
        await other.connection.flush();
        return heard.has(`a.c ${latest}`) && heard.has("up") ? true : null;
      },
      { ...soon, what: "hints after the reconnect" },
    );
  });

  test.for(servers)(
    "a write into a frozen server is unknown in time, and may land late, %s",
    async (version) => {
      await using server = await natsServer({ version });
      await using store = await openNatsStore(connect, server.url, { requestTimeout: frozenRequestMs });
      const { backend } = store;
      const before = await putNow(backend, "a", "before", null);
      await server.pause();
      const [write, deletion, get] = await Promise.all([
        timed(() => backend.commit([put("a", "late", before)])),
        timed(() => backend.commit([{ kind: "delete", key: "b" }])),
        timed(() => backend.get(["a"])),
      ]);
      await server.resume();
      expectHonest([write, deletion], [OutcomeUnknownError]);
      expectHonest([get], [UnavailableError]);
      // Nobody waits for a second timeout.
      for (const { tookMs } of [write, deletion, get]) expect(tookMs).toBeLessThan(1.75 * frozenRequestMs);
      const late = await waitUntil(
        async () => {
          const record = await read(backend, "a");
          return record !== null && record.version !== before ? record : null;
        },
        { ...soon, what: "the late write" },
      );
      expect(Buffer.from(late.value).toString()).toBe("late");
      expect(await backend.commit([put("a", "again", before)])).toMatchObject({ committed: false });
      expect(await backend.commit([put("a", "next", late.version)])).toMatchObject({ committed: true });
    },
  );

  test("a connection that is closed around a write leaves its outcome unknown", async () => {
    await using server = await natsServer();
    await using store = await openNatsStore(connect, server.url, { requestTimeout: requestMs });
    await server.pause();
    const write = timed(() => store.backend.commit([put("a", "x", null)]));
    await store.connection.close();
    expectHonest([await write], [OutcomeUnknownError]);
    await server.resume();
  });
});
