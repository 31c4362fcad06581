// Goal: the conformance suite finds the bugs that backends have: each is planted in the memory backend once.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, CommitResult, Operation, StoredRecord } from "../../src/core/backend.ts";
import { backendConformance } from "../../src/testing/index.ts";

type Bug = (backend: Backend) => Partial<Backend>;

const withoutExpect = (operation: Operation): Operation => {
  if (operation.kind === "check") return operation;
  const { expect: _, ...blind } = operation;
  return blind;
};

const bugs: Readonly<Record<string, Bug>> = {
  "a put ignores its expectation": (backend) => ({
    commit: (operations) =>
      backend.commit(operations.map((it) => (it.kind === "put" ? withoutExpect(it) : it))),
  }),
  "a delete ignores its expectation": (backend) => ({
    commit: (operations) =>
      backend.commit(operations.map((it) => (it.kind === "delete" ? withoutExpect(it) : it))),
  }),
  "a check always holds": (backend) => ({
    async commit(operations) {
      const rest = operations.filter((operation) => operation.kind !== "check");
      const result: CommitResult =
        rest.length === 0 ? { committed: true, versions: [] } : await backend.commit(rest);
      if (!result.committed) return result;
      const versions = [...result.versions];
      return {
        committed: true,
        versions: operations.map((it) => (it.kind === "check" ? it.expect : (versions.shift() ?? null))),
      };
    },
  }),
  "several keys are committed one after the other": (backend) => ({
    async commit(operations) {
      const versions: (string | null)[] = [];
      for (const operation of operations) {
        const result = await backend.commit([operation]);
        if (!result.committed) return result;
        versions.push(...result.versions);
      }
      return { committed: true, versions };
    },
  }),
  "checking and writing are two steps": (backend) => ({
    async commit(operations) {
      const checks = operations.filter(({ kind }) => kind === "check");
      const rest = operations.filter(({ kind }) => kind !== "check");
      if (checks.length === 0 || rest.length === 0) return backend.commit(operations);
      const checked = await backend.commit(checks);
      if (!checked.committed) return checked;
      const written = await backend.commit(rest);
      if (!written.committed) return written;
      const [expected, versions] = [[...checked.versions], [...written.versions]];
      const taken = operations.map(({ kind }) => (kind === "check" ? expected : versions).shift() ?? null);
      return { committed: true, versions: taken };
    },
  }),
  "reading and writing are two steps": (backend) => ({
    async commit(operations) {
      for (const { key, expect } of operations) {
        const [current] = await backend.get([key]);
        if (expect !== undefined && (current?.version ?? null) !== expect) {
          return { committed: false, conflicts: [{ key }] };
        }
      }
      return backend.commit(operations.map(withoutExpect));
    },
  }),
  "versions are the bytes": (backend) => {
    const version = (record: StoredRecord): string => `v${Buffer.from(record.value).toString("base64url")}`;
    const get: Backend["get"] = async (keys) =>
      (await backend.get(keys)).map((record) =>
        record === null ? null : { ...record, version: version(record) },
      );
    return {
      get,
      async commit(operations) {
        const current = await get(operations.map((operation) => operation.key));
        const failed = operations.filter(
          ({ expect }, index) => expect !== undefined && expect !== (current[index]?.version ?? null),
        );
        if (failed.length > 0) return { committed: false, conflicts: failed.map(({ key }) => ({ key })) };
        await backend.commit(operations.map(withoutExpect));
        const after = await get(operations.map((operation) => operation.key));
        return { committed: true, versions: after.map((record) => record?.version ?? null) };
      },
    };
  },
  "a conflict carries an old record": (backend) => ({
    async commit(operations) {
      const result = await backend.commit(operations);
      if (result.committed) return result;
      return {
        committed: false,
        conflicts: result.conflicts.map(({ key }) => ({
          key,
          current: { key, version: "0", value: new Uint8Array() },
        })),
      };
    },
  }),
  "an add forgets what it has applied": (backend) => {
    let writers = 0;
    return {
      add: (key, delta) => {
        writers += 1;
        return backend.add(key, delta, { writer: `w${writers}`, sequence: 1 });
      },
    };
  },
  "an add answers the sum of now to a repetition": (backend) => ({
    async add(key, delta, operation) {
      await backend.add(key, delta, operation);
      return backend.add(key, 0, {
        writer: `${operation.writer}-${Math.random()}`.slice(0, 40),
        sequence: 1,
      });
    },
  }),
  "the clock stands still": () => {
    const nowMs = Date.now();
    return { time: async () => ({ earliestMs: nowMs, latestMs: nowMs }) };
  },
  "the bounds of the clock are the wrong way round": () => ({
    time: async () => ({ earliestMs: Date.now() + 1, latestMs: Date.now() - 1 }),
  }),
  "the bounds of the clock are a minute apart": () => ({
    time: async () => ({ earliestMs: Date.now() - 30_000, latestMs: Date.now() + 30_000 }),
  }),
  "every other answer comes from another clock": (backend) => {
    let answers = 0;
    return {
      async time() {
        answers += 1;
        const { earliestMs, latestMs } = await backend.time();
        const offsetMs = answers % 2 === 0 ? 0 : -100;
        return { earliestMs: earliestMs + offsetMs, latestMs: latestMs + offsetMs };
      },
    };
  },
  "the clock counts seconds": () => ({
    time: async () => ({ earliestMs: Date.now() / 1_000, latestMs: Date.now() / 1_000 }),
  }),
  "a closed backend tells the time": () => ({
    time: async () => ({ earliestMs: Date.now(), latestMs: Date.now() }),
  }),
  "a prefix is a pattern": (backend) => ({
    async scan(prefix, page) {
      const pattern = new RegExp(`^${prefix}`);
      const { records } = await backend.scan("", { limit: 1_000, ...page });
      return { records: records.filter((record) => pattern.test(record.key)) };
    },
  }),
  "a scan ends after its first page": (backend) => ({
    async scan(prefix, page) {
      return { records: (await backend.scan(prefix, page)).records };
    },
  }),
  "a page repeats the last record of the one before": (backend) => ({
    scan: (prefix, page) =>
      backend.scan(
        prefix,
        page?.cursor === undefined
          ? page
          : {
              ...page,
              cursor: `${page.cursor.slice(0, -1)}${String.fromCharCode(page.cursor.charCodeAt(page.cursor.length - 1) - 1)}`,
            },
      ),
  }),
  "any cursor is taken": (backend) => ({
    scan: (prefix, page) => backend.scan(prefix, page).catch(() => backend.scan(prefix)),
  }),
  "an absent key is left out": (backend) => ({
    get: async (keys) => (await backend.get(keys)).filter((record) => record !== null),
  }),
  "values are text": (backend) => ({
    commit: (operations) =>
      backend.commit(
        operations.map((it) =>
          it.kind === "put" ? { ...it, value: Buffer.from(Buffer.from(it.value).toString()) } : it,
        ),
      ),
  }),
  "a watch hears all keys": (backend) => ({ watch: (_prefix, listener) => backend.watch("", listener) }),
  "a watch does not end": (backend) => ({
    watch: (prefix, listener) => {
      backend.watch(prefix, listener);
      return () => undefined;
    },
  }),
  "a watch misses deletes": (backend) => ({
    watch: (prefix, listener) =>
      backend.watch(prefix, (hint) => {
        if (hint.record !== null) listener(hint);
      }),
  }),
  "a wake reaches everybody": (backend) => ({
    onWake: (_client, listener) => backend.onWake("all", listener),
    wake: (_client, hint) => backend.wake("all", hint),
  }),
  "a closed backend answers": () => ({ close: async () => undefined }),
  "the limit of a value is not checked": (backend) => ({
    commit: async (operations) =>
      backend
        .commit(operations)
        .catch(() => ({ committed: true, versions: operations.map(() => "1") }) as const),
  }),
  "a time to live deletes at once": (backend) => ({
    async commit(operations) {
      const result = await backend.commit(operations);
      for (const it of operations) {
        if (it.kind === "put" && it.ttlMs !== undefined)
          await backend.commit([{ kind: "delete", key: it.key }]);
      }
      return result;
    },
  }),
};

function failures(bug: Bug, lagMaxMs: number): Promise<readonly string[]> {
  const cases = backendConformance({
    create: async () => {
      const real = memoryBackend();
      const broken = bug(real);
      const backend = new Proxy(real, {
        get(target, name) {
          const source: object = name in broken ? broken : target;
          const member: unknown = Reflect.get(source, name, source);
          return typeof member === "function" ? member.bind(source) : member;
        },
      });
      return { backend, other: backend, destroy: () => real.close() };
    },
    createMissing: { skip: "a store in memory is made together with its client" },
    declared: { commitOperationsMax: 1_000, wake: true, watch: "push", orderedScan: true },
    lagMaxMs,
  }).filter(({ skip }) => skip === undefined);
  return Promise.all(
    cases.map(({ title, run }) =>
      run().then(
        () => [],
        () => [title],
      ),
    ),
  ).then((lists) => lists.flat());
}

test("a backend without a bug passes through the same wrapping", async () => {
  expect(await failures(() => ({}), 20_000)).toEqual([]);
});

for (const [title, bug] of Object.entries(bugs)) {
  test(`found: ${title}`, async () => {
    expect((await failures(bug, 50)).length).toBeGreaterThan(0);
  });
}
