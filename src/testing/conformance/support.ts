import assert from "node:assert/strict";
import type { Backend, Capabilities, CommitResult, StoredRecord, Version } from "../../core/backend.ts";
import { sleep, systemRuntime } from "../../core/runtime.ts";

/** A store for one case. */
export interface ConformanceStore {
  readonly backend: Backend;
  /**
   * A second client of the same store, with its own connection. The same object only where the store lives in one
   * object, as for `memory`.
   */
  readonly other: Backend;
  /** Closes both clients and removes what `create` made. Both may be closed already. */
  destroy(): Promise<void>;
}

/** A store that does not exist yet. */
export interface MissingStore {
  readonly backend: Backend;
  destroy(): Promise<void>;
}

/** What the suite needs to know of a backend. */
export interface BackendConformanceOptions {
  /**
   * A store that is set up, and two new clients of it. The store itself may be shared between cases: each case uses
   * keys of its own.
   */
  create(): Promise<ConformanceStore>;
  /** A client whose bucket, table or file does not exist; or why there is no such thing. */
  readonly createMissing: (() => Promise<MissingStore>) | { readonly skip: string };
  /**
   * What the backend is supposed to declare. Cases are skipped by this, and one case compares it with what the
   * backend really declares, so that no capability gets lost unnoticed.
   */
  readonly declared: Pick<Capabilities, "commitOperationsMax" | "wake" | "watch" | "orderedScan">;
  /** How long a read may lag behind a write, and a hint behind a change. Default: 10,000. */
  readonly lagMaxMs?: number;
}

/** Why a case does not run. */
export interface ConformanceSkip {
  /** The capability that is missing. */
  readonly capability: string;
  readonly reason: string;
}

/** One sentence about the behaviour of a backend, and the check of it. */
export interface ConformanceCase {
  readonly title: string;
  readonly skip?: ConformanceSkip;
  /** Rejects with an `AssertionError` when the backend behaves otherwise. */
  run(): Promise<void>;
}

/** What a case has at hand. */
export interface CaseContext extends ConformanceStore {
  /** A key, or the beginning of keys, that no other case uses. */
  key(name: string): string;
  /** The record of `key` once it has `version`; reads may lag. `null`: waits until there is none. */
  settled(key: string, version: Version): Promise<StoredRecord>;
  settled(key: string, version: null): Promise<null>;
  /** Repeats `attempt` until it answers true. Rejects after the lag that is allowed. */
  until(what: string, attempt: () => boolean | Promise<boolean>): Promise<void>;
}

/** A case before it is bound to a store. */
export interface CaseDefinition {
  readonly title: string;
  readonly skip?: ConformanceSkip | undefined;
  check(context: CaseContext): Promise<void>;
}

/** UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The new version of the only operation of a commit that must have gone through. */
export function committedVersion(result: CommitResult): Version {
  const version = committedVersions(result)[0];
  assert.equal(typeof version, "string", "a put answers a version");
  assert.notEqual(version, "", "a version is not empty");
  return version as Version;
}

/** The versions of a commit that must have gone through. */
export function committedVersions(result: CommitResult): readonly (Version | null)[] {
  assert.equal(result.committed, true, "expected the commit to go through");
  return result.committed ? result.versions : [];
}

/** Puts a value without an expectation. */
export async function put(backend: Backend, key: string, value: string): Promise<Version> {
  return committedVersion(await backend.commit([{ kind: "put", key, value: bytes(value) }]));
}

/** Checks that nothing was committed, that the conflicts are exactly about `keys`, and what they say is true. */
export function assertConflict(
  result: CommitResult,
  truth: ReadonlyMap<string, { readonly version: Version; readonly value: Uint8Array } | null>,
): void {
  assert.equal(result.committed, false, "expected a conflict");
  if (result.committed) return;
  assert.ok(result.conflicts.length > 0, "a conflict names at least one key");
  for (const { key, current } of result.conflicts) {
    assert.ok(truth.has(key), `the conflict names ${key}, whose expectation held`);
    if (current === undefined) continue;
    const expected = truth.get(key) ?? null;
    assert.equal(current?.version, expected?.version, "a conflict carries the current version, or none");
    if (current === null || expected === null) continue;
    assert.equal(current.key, key);
    assertSameBytes(current.value, expected.value);
  }
}

/** Compares bytes whatever the subclass of Uint8Array. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(actual instanceof Uint8Array, "a value is a Uint8Array");
  assert.equal(Buffer.compare(actual, expected), 0, "the bytes differ from what was put");
}

/** Rejects unless `promise` rejects with this kind of error. */
export async function assertRejects(
  promise: Promise<unknown>,
  kind: abstract new (message: string) => Error,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, `expected ${kind.name}, got ${String(error)}`);
    return true;
  });
}

/** Makes a case runnable: a store for it, and its clean-up whatever happens. */
export function bindCase(
  { title, skip, check }: CaseDefinition,
  options: BackendConformanceOptions,
): ConformanceCase {
  const run = async (): Promise<void> => {
    const store = await options.create();
    const unique = systemRuntime.id();
    const until = (what: string, attempt: () => boolean | Promise<boolean>): Promise<void> =>
      repeatUntil(what, options.lagMaxMs ?? 10_000, attempt);
    const settled = async (key: string, version: Version | null): Promise<never> => {
      let record: StoredRecord | null | undefined;
      await until(`reading ${key} gives version ${version}`, async () => {
        [record] = await store.backend.get([key]);
        return (record?.version ?? null) === version;
      });
      return record as never;
    };
    try {
      await check({ ...store, key: (name) => `conformance.${unique}.${name}`, settled, until });
    } finally {
      await store.destroy();
    }
  };
  return skip === undefined ? { title, run } : { title, skip, run };
}

const firstPauseMs = 2;
const pauseMaxMs = 100;

async function repeatUntil(
  what: string,
  lagMaxMs: number,
  attempt: () => boolean | Promise<boolean>,
): Promise<void> {
  const startMs = systemRuntime.monotonicMs();
  for (let pauseMs = firstPauseMs; !(await attempt()); pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
    const waitedMs = systemRuntime.monotonicMs() - startMs;
    assert.ok(waitedMs < lagMaxMs, `waited ${lagMaxMs} ms in vain: ${what}`);
    await sleep(systemRuntime, pauseMs, { holdsProcessOpen: true });
  }
}
