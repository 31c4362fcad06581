import assert from "node:assert/strict";
import type { Change, Reset, WatchOptions } from "../../kv/change.ts";
import type { KeyValue } from "../../kv/key-value.ts";
import { type LockCaseContext, type LockCaseDefinition, until } from "./lock-support.ts";

/** Often, so that a test need not wait long for what no hint told. */
const resync = 1_000;

/** Watches: what is there, then what changes, whoever changes it, and from a cursor what changed since. */
export const watchCases: readonly LockCaseDefinition[] = [
  {
    title: "watches: what is there is told, then ready, then what others write and how it ends",
    async check(context) {
      const [entries, other, third] = stores(context, "told");
      await entries.set("a", 1);
      await other.set("b", 2);
      await third.set("c", 3);
      await third.delete("c");
      let initial: string[] = [];
      const reader = read(third, {
        onReady: () => {
          initial = reader.take().sort();
        },
      });
      await until(
        () => initial.length > 0,
        () => "the watch is ready",
      );
      assert.deepEqual(initial, ["+put a=1", "+put b=2"]);
      await other.set("a", 10);
      await reader.tells("put a=10");
      await entries.delete("b");
      await reader.tells("delete b");
      await entries.set("short", 1, { ttl: 2_500 });
      await reader.tells("expire short");
      await other.purge("a");
      await reader.tells("purge a");
      await other.set("a", 11);
      await reader.tells("put a=11");
      await reader.stop();
    },
  },
  {
    title: "watches: only of keys with the prefix and of the form, and none of namespaces within",
    async check(context) {
      const [entries, other] = stores(context, "named");
      const users = read(other, { prefix: "user/", updatesOnly: true });
      const ends = read(other, { match: "*/ключ?", removals: false });
      await Promise.all([users.isReady, ends.isReady]);
      await entries.namespace("within").set("user/1", 1);
      await entries.set("group/1", 1);
      await entries.set("user/1", 1);
      await entries.set("user/ключ1", 2);
      await entries.delete("user/1");
      await entries.set("group/ключ2", 3);
      await users.tells("delete user/1");
      await users.tells("put user/ключ1=2");
      await ends.tells("put group/ключ2=3");
      await entries.delete("group/ключ2");
      await entries.set("group/ключ2", 4);
      await ends.tells("put group/ключ2=4");
      const told = [...users.all, ...ends.all];
      assert.ok(!told.some((text) => /group\/1|delete group/.test(text)), told.join());
      await Promise.all([users.stop(), ends.stop()]);
    },
  },
  {
    title: "watches: another client goes on from a cursor with what changed since",
    async check(context) {
      const [entries, other, third] = stores(context, "resumed");
      const names = Array.from({ length: 20 }, (_, index) => `key-${index}`);
      await entries.setMany(names.map((key) => ({ key, value: 0 })));
      const reader = read(other, {});
      await reader.isReady;
      await entries.set("key-0", 1);
      await reader.tells("put key-0=1");
      await reader.stop();
      await third.set("key-1", 2);
      await third.delete("key-2");
      await third.set("new", 3);
      const resumed = read(third, { since: reader.cursor });
      for (const text of ["put key-1=2", "delete key-2", "put new=3"]) await resumed.tells(text);
      await resumed.isReady;
      assert.ok(!resumed.all.some((text) => text.startsWith("+") || text === "reset"), resumed.all.join());
      await resumed.stop();
      assert.throws(() => third.watch({ since: reader.cursor, prefix: "key-" }), {
        code: "INVALID_ARGUMENT",
      });
    },
  },
  {
    title: "watches: with several writers the newest state of each key comes last, and none comes back",
    async check(context) {
      const all = stores(context, "busy");
      // Where every look reads everything, one of them is enough to do.
      const { watch } = context.clients[0].backend.capabilities;
      const readers = (watch === "push" ? all : all.slice(2)).map((entries) => read(entries, {}));
      await Promise.all(readers.map(({ isReady }) => isReady));
      const write = async (entries: KeyValue<number>, writer: number): Promise<void> => {
        for (let round = 0; round < 12; round += 1) {
          const key = `key-${(round * 5 + writer) % 7}`;
          if (round % 4 === 3) await entries.delete(key);
          else await entries.increment(key);
        }
      };
      await Promise.all(all.map(write));
      const expected = new Map<string, string>();
      for await (const { key, version } of all[0].list()) expected.set(key, version);
      for (const reader of readers) {
        await until(
          () => isSame(reader.state(), expected),
          () => `the watch tells ${[...expected].join(" ")}, and not ${[...reader.state()].join(" ")}`,
        );
        for (const times of reader.times.values())
          assert.deepEqual(
            times,
            [...new Set(times)].sort((one, next) => one - next),
          );
        await reader.stop();
      }
    },
  },
  {
    title: "watches: closing the coordinator ends them",
    async check(context) {
      const closing = context.coordinator(2, context.namespace);
      const reader = read(closing.kv<number>("closed"), {});
      await reader.isReady;
      await closing.close();
      await reader.ended;
    },
  },
];

function stores(context: LockCaseContext, name: string) {
  const [one, two, three] = context.clients;
  const store = ({ coordinator }: typeof one) => coordinator.kv<number>(name);
  return [store(one), store(two), store(three)] as const;
}

/** Reads all that a watch tells. */
function read(entries: KeyValue<number>, options: WatchOptions) {
  const ready = Promise.withResolvers<void>();
  const onReady = (): void => {
    options.onReady?.();
    ready.resolve();
  };
  const changes = entries.watch({ resync, ...options, onReady });
  const iterator = changes[Symbol.asyncIterator]();
  const all: string[] = [];
  const versions = new Map<string, string>();
  const times = new Map<string, number[]>();
  let [cursor, taken] = ["", 0];
  const note = (change: Change<number> | Reset): void => {
    ({ cursor } = change);
    all.push(textOf(change));
    if (change.operation === "reset") return;
    const { key, operation, version } = change;
    if (operation === "put" && version !== null) versions.set(key, version);
    else versions.delete(key);
    times.set(key, [...(times.get(key) ?? []), change.updatedAt.getTime()]);
  };
  const ended = (async () => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) note(next.value);
  })();
  // Told by whoever awaits what does not come.
  ended.catch(ready.reject);
  return {
    all,
    times,
    ended,
    isReady: ready.promise,
    get cursor() {
      return cursor;
    },
    state: () => versions,
    take() {
      const told = all.slice(taken);
      taken = all.length;
      return told;
    },
    tells: (text: string) =>
      until(
        () => all.includes(text),
        () => `the watch tells ${text}; it told ${all.join(", ")}`,
      ),
    async stop() {
      await iterator.return?.();
      await ended;
    },
  };
}

function textOf(change: Change<number> | Reset): string {
  if (change.operation === "reset") return "reset";
  const sign = change.isInitial ? "+" : "";
  const value = change.operation === "put" ? `=${change.value}` : "";
  return `${sign}${change.operation} ${change.key}${value}`;
}

function isSame(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([key, version]) => other.get(key) === version);
}
