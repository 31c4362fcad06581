import assert from "node:assert/strict";
import type { Backend, ChangeHint } from "../../core/backend.ts";
import { systemRuntime } from "../../core/runtime.ts";
import {
  assertSameBytes,
  type BackendConformanceOptions,
  bytes,
  type CaseDefinition,
  put,
} from "./support.ts";

/** Watches and wakes: hints between clients. */
export function hintCases({ declared }: BackendConformanceOptions): readonly CaseDefinition[] {
  const skipWatch =
    declared.watch === "push"
      ? undefined
      : { capability: "watch", reason: "this store reports no changes; waiters poll" };
  const skipWake = declared.wake
    ? undefined
    : { capability: "wake", reason: "this store has no channel between clients" };
  return [
    ...watchCases.map((definition) => ({ ...definition, skip: skipWatch })),
    ...wakeCases.map((definition) => ({ ...definition, skip: skipWake })),
    {
      title: "watching, listening, waking and unsubscribing work on every backend, with or without an effect",
      async check({ backend, key }) {
        const stops = [backend.watch(key("a"), () => {}), backend.onWake(systemRuntime.id(), () => {})];
        backend.wake(systemRuntime.id(), "nobody listens");
        await put(backend, key("a"), "x");
        for (const stop of [...stops, ...stops]) stop();
      },
    },
  ];
}

const watchCases: readonly CaseDefinition[] = [
  {
    title: "a watch reports puts and deletes of the other client and of its own, with the truth or no record",
    async check({ backend, other, key, until }) {
      const hints: ChangeHint[] = [];
      const stop = backend.watch(key("a"), (hint) => hints.push(hint));
      const values = new Map<string, string>();
      for (const client of [other, backend]) {
        // The watch may take a round trip to begin, so the change is made again until it is heard.
        await until("a put is reported", async () => {
          values.set(await put(client, key("a.b"), client.kind), client.kind);
          return hints.some((hint) => hint.key === key("a.b"));
        });
        hints.length = 0;
        await until("a delete is reported", async () => {
          await put(client, key("a.c"), "x");
          await client.commit([{ kind: "delete", key: key("a.c") }]);
          return hints.some((hint) => hint.key === key("a.c") && (hint.record ?? null) === null);
        });
        for (const { key: changed, record } of hints) {
          if (record == null || changed !== key("a.b")) continue;
          assert.ok(values.has(record.version), "a hint carries a version that was committed");
          assertSameBytes(record.value, bytes(values.get(record.version) as string));
        }
        hints.length = 0;
      }
      stop();
    },
  },
  {
    title: "a watch reports only keys that begin with its prefix, every character of which means itself",
    async check({ backend, other, key, until }) {
      const heard = new Set<string>();
      const stop = backend.watch(key("a.b"), (hint) => heard.add(hint.key));
      await until("a change is reported", async () => {
        for (const name of ["a", "a_b", "a=2Eb", "aXb", "A.b", "b.a.b", "a.b", "a.bc", "a.b.c"]) {
          await put(other, key(name), "x");
        }
        return heard.has(key("a.b.c"));
      });
      assert.deepEqual(
        [...heard].filter((changed) => !changed.startsWith(key("a.b"))),
        [],
      );
      stop();
    },
  },
  {
    title: "a watch that was ended reports nothing more, and others go on",
    async check({ backend, other, key, until }) {
      const first: ChangeHint[] = [];
      const second: ChangeHint[] = [];
      const stopFirst = backend.watch(key("a"), (hint) => first.push(hint));
      const stopSecond = backend.watch(key("a"), (hint) => second.push(hint));
      const change = (hints: readonly ChangeHint[]) => async (): Promise<boolean> => {
        await put(other, key("a"), "x");
        return hints.length > 0;
      };
      await until("the first listener hears a change", change(first));
      await until("the second listener hears a change", change(second));
      stopFirst();
      stopFirst();
      first.length = 0;
      second.length = 0;
      await until("the second listener still hears changes", change(second));
      assert.deepEqual(first, []);
      stopSecond();
      await until("a third listener hears changes", change(listen(backend, key("a"))));
      assert.deepEqual(first, []);
    },
  },
];

const wakeCases: readonly CaseDefinition[] = [
  {
    title: "a wake reaches the client it is meant for, with its hint, and nobody else",
    async check({ backend, other, until }) {
      const [mine, theirs] = [systemRuntime.id(), systemRuntime.id()];
      const toMine: string[] = [];
      const toTheirs: string[] = [];
      const stops = [
        backend.onWake(mine, (hint) => toMine.push(hint)),
        backend.onWake(theirs, (hint) => toTheirs.push(hint)),
      ];
      // A wake may be lost, so it is sent until it is heard.
      await until("the wake arrives", () => {
        other.wake(mine, "granted: a.b=2A 1");
        return toMine.length > 0;
      });
      await until("the other wake arrives", () => {
        other.wake(theirs, "end");
        return toTheirs.length > 0;
      });
      assert.deepEqual(new Set(toMine), new Set(["granted: a.b=2A 1"]));
      assert.deepEqual(new Set(toTheirs), new Set(["end"]));
      for (const stop of stops) stop();
    },
  },
  {
    title: "a wake within one client arrives, and not after the listener is gone",
    async check({ backend, other, until }) {
      const client = systemRuntime.id();
      const heard: string[] = [];
      const stop = backend.onWake(client, (hint) => heard.push(hint));
      await until("the wake arrives", () => {
        backend.wake(client, "first");
        return heard.length > 0;
      });
      stop();
      stop();
      heard.length = 0;
      const later: string[] = [];
      const stopLater = backend.onWake(client, (hint) => later.push(hint));
      await until("a later listener is woken", () => {
        other.wake(client, "second");
        return later.includes("second");
      });
      assert.deepEqual(heard, []);
      stopLater();
    },
  },
];

function listen(backend: Backend, prefix: string): readonly ChangeHint[] {
  const hints: ChangeHint[] = [];
  backend.watch(prefix, (hint) => hints.push(hint));
  return hints;
}
