// Goal: a bucket of a user's own refuses late holders, with both client generations and on old and new servers, tells
// the outcome of a write whose answer was lost, and never applies one twice.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type NatsConnection,
  type NatsFencedBucket,
  natsFencedBucket,
} from "../../src/backends/nats/index.ts";
import {
  AbortedError,
  ClosedError,
  CorruptRecordError,
  FenceRejectedError,
  InvalidArgumentError,
  LimitExceededError,
  OutcomeUnknownError,
  StoreMissingError,
} from "../../src/index.ts";
import { askJetStream, clients, uniqueBucket } from "../backends/nats-clients.ts";
import { type NatsFault, type NatsFaultProxy, natsFaultProxy } from "../backends/nats-fault-proxy.ts";
import { makePlainBucket } from "../backends/nats-stores.ts";
import { waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";

const [early, late] = [{ fence: 5 }, { fence: 8 }];
const cases = clients.flatMap(([client, connect]) =>
  (["nats", "nats210"] as const).map((line) => ({ client, connect, line })),
);

async function textOf(bucket: NatsFencedBucket, key: string): Promise<string | null> {
  const entry = await bucket.get(key);
  return entry === null ? null : Buffer.from(entry.value).toString();
}

const refusal = (fence: number, seenFence: number) =>
  expect.objectContaining({ code: "FENCE_REJECTED", fence, seenFence });

describe.each(cases)("over $client, on $line,", ({ connect, line }) => {
  const name = uniqueBucket();
  const subject = (key: string) => `$KV.${name}.${key}`;
  let connection: NatsConnection;
  let spoilt: NatsConnection;
  let proxy: NatsFaultProxy;
  let reports: NatsFencedBucket;
  /** The same bucket, behind a proxy that spoils requests. */
  let faulty: NatsFencedBucket;

  beforeAll(async () => {
    const { url } = sharedServers()[line];
    proxy = await natsFaultProxy(url);
    connection = await connect({ servers: url });
    spoilt = await connect({ servers: proxy.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
    await makePlainBucket(connection, name);
    reports = natsFencedBucket({ connection, bucket: name });
    faulty = natsFencedBucket({ connection: spoilt, bucket: name, requestTimeout: 300 });
  });
  afterAll(async () => {
    await askJetStream(connection, `STREAM.DELETE.KV_${name}`);
    await Promise.all([connection.close(), spoilt.close()]);
    await proxy[Symbol.asyncDispose]();
  });

  test("a holder writes as often as it likes, and the one before is refused", async () => {
    const first = await reports.put(early, "a/1", "one");
    const second = await reports.put(early, "a/1", Buffer.from("two"));
    expect(second).toBeGreaterThan(first);
    await reports.claim(late, "a/1");
    expect(await reports.get("a/1")).toMatchObject({ key: "a/1", value: Buffer.from("two"), fence: 8 });
    const attempts = await Promise.allSettled([
      reports.put(early, "a/1", "late"),
      reports.update(early, "a/1", () => "late"),
      reports.delete(early, "a/1"),
      reports.claim(early, "a/1"),
    ]);
    for (const attempt of attempts) {
      const { reason } = attempt as PromiseRejectedResult;
      expect(reason).toEqual(refusal(5, 8));
      expect(reason).toBeInstanceOf(FenceRejectedError);
    }
    await reports.put(late, "a/1", "three");
    expect(await textOf(reports, "a/1")).toBe("three");
  });

  test("an absent key remembers fences too: claimed before it was there, and after it was deleted", async () => {
    await reports.claim(late, "b");
    expect(await reports.get("b")).toBeNull();
    await expect(reports.put(early, "b", "late")).rejects.toEqual(refusal(5, 8));
    await reports.put(late, "b", "x");
    await reports.delete({ fence: 9 }, "b");
    expect(await reports.get("b")).toBeNull();
    await expect(reports.put(late, "b", "late")).rejects.toEqual(refusal(8, 9));
    await reports.put({ fence: 10 }, "b", "y");
    expect(await textOf(reports, "b")).toBe("y");
  });

  test("a write is one read and one write, and a claim that stands is one read", async () => {
    const requests = async (call: Promise<unknown>): Promise<readonly string[]> => {
      const before = proxy.seen.length;
      await call;
      return proxy.seen.slice(before);
    };
    const read = `$JS.API.STREAM.MSG.GET.KV_${name}`;
    expect(await requests(faulty.claim(early, "q"))).toEqual([read, subject("q")]);
    expect(await requests(faulty.claim(early, "q"))).toEqual([read]);
    expect(await requests(faulty.put(early, "q", "x"))).toEqual([read, subject("q")]);
    expect(await requests(faulty.update(early, "q", () => "y"))).toEqual([read, subject("q")]);
    expect(await requests(faulty.get("q"))).toEqual([read]);
    await reports.claim(late, "q");
    const refused = faulty.put(early, "q", "late").catch((error: unknown) => error);
    expect(await requests(refused)).toEqual([read]);
  });

  test("a claim that stands, and a deletion that stands, are not written again", async () => {
    await reports.put(early, "c", "x");
    const { revision } = (await reports.get("c")) ?? {};
    await reports.claim(early, "c");
    expect((await reports.get("c"))?.revision).toBe(revision);
    const before = proxy.seen.length;
    await faulty.delete(early, "c");
    await faulty.delete(early, "c");
    expect(proxy.seen.slice(before).filter((sent) => sent === subject("c"))).toHaveLength(1);
  });

  test("two holders of one fence lose no update", async () => {
    const add = (bucket: NatsFencedBucket) =>
      bucket.update(early, "n", async (current) =>
        String(Number(Buffer.from(current?.value ?? "0").toString()) + 1),
      );
    const adds = Array.from({ length: 12 }, (_, index) => add(index % 2 === 0 ? reports : faulty));
    await Promise.all(adds);
    expect(await textOf(reports, "n")).toBe("12");
  });

  test("what others wrote has no fence yet, and what takes its place has one", async () => {
    connection.publish(subject("d"), Buffer.from("plain"));
    await connection.flush();
    expect(
      await waitUntil(() => reports.get("d"), { timeoutMs: 5_000, intervalMs: 20, what: "it" }),
    ).toMatchObject({
      fence: 0,
    });
    await reports.claim(early, "d");
    expect(await reports.get("d")).toMatchObject({ fence: 5, value: Buffer.from("plain") });
  });

  const lost: readonly NatsFault["kind"][] = ["loseAnswer", "cutAfter", "cutBefore"];

  test.for(lost)("a write spoilt by %s is settled by reading, and applied once", async (kind) => {
    const key = `lost-${kind}`;
    await reports.put(early, key, "0");
    const add = (current: { readonly value: Uint8Array } | null) =>
      `${Buffer.from(current?.value ?? []).toString()}+1`;
    proxy.next(subject(key), { kind });
    await settled(() => faulty.update(early, key, add));
    expect(await textOf(reports, key)).toBe("0+1");
    expect(proxy.pending).toBe(0);
    proxy.next(subject(key), { kind });
    await settled(() => faulty.delete(late, key));
    expect(await reports.get(key)).toBeNull();
    await expect(reports.put(early, key, "late")).rejects.toEqual(refusal(5, 8));
  });

  /** The client may need longer to come back than the write waits: then nothing was sent yet, and it is done anew. */
  async function settled(write: () => Promise<unknown>): Promise<void> {
    await waitUntil(() => faulty.get("any").then(() => true), {
      timeoutMs: 5_000,
      intervalMs: 20,
      what: "NATS",
    });
    await write();
  }

  test("a write whose answer was lost, and that somebody overtook, is unknown and not repeated", async () => {
    await reports.put(early, "o", "0");
    proxy.next(subject("o"), { kind: "loseAnswer", meanwhile: () => reports.put(late, "o", "later") });
    const attempt = faulty.put(early, "o", "mine");
    await expect(attempt).rejects.toThrow(OutcomeUnknownError);
    await expect(attempt).rejects.toThrow("a later holder, with fence 8, has written there since");
    expect(await textOf(reports, "o")).toBe("later");
    expect(proxy.pending).toBe(0);
  });

  test("a larger fence that comes between the read and the write wins", async () => {
    await reports.put(early, "r", "0");
    const attempt = reports.update(early, "r", async () => {
      await reports.claim(late, "r");
      return "mine";
    });
    await expect(attempt).rejects.toEqual(refusal(5, 8));
    expect(await textOf(reports, "r")).toBe("0");
  });

  test("an aborted signal ends it before anything is sent", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const abortAndAnswer = (): string => {
      controller.abort(reason);
      return "x";
    };
    const update = reports.update(early, "s", abortAndAnswer, options);
    await expect(update).rejects.toThrow(AbortedError);
    await expect(reports.put(early, "s", "x", options)).rejects.toMatchObject({ cause: reason });
    expect(await reports.get("s")).toBeNull();
  });

  test("what cannot work is refused, and says why", async () => {
    for (const key of ["", "a b", "a..b", ".a", "a.", "a.*", ">", "k".repeat(1_025)]) {
      await expect(reports.put(early, key, "x")).rejects.toThrow(InvalidArgumentError);
    }
    await expect(reports.put({ fence: 0 }, "a", "x")).rejects.toThrow("put needs a grant");
    await expect(reports.put(early, "a", 7 as never)).rejects.toThrow("a value must be text or a Uint8Array");
    await expect(reports.put(early, "a", "x", { wait: 1 } as never)).rejects.toThrow(
      'put has no option "wait"',
    );
    await expect(reports.put(early, "big", "x".repeat(1_048_576))).rejects.toThrow(LimitExceededError);
    expect(() => natsFencedBucket({ connection, bucket: "a.b" })).toThrow("bucket must be");
    expect(() => natsFencedBucket(undefined as never)).toThrow("the options of natsFencedBucket");
  });

  test("a header that is no fence is not overwritten", async () => {
    const headers = { encode: () => Buffer.from("NATS/1.0\r\nLeasehold-Fence: high\r\n\r\n") };
    await connection.request(subject("h"), Buffer.from("x"), { timeout: 2_000, headers });
    await expect(reports.put(late, "h", "y")).rejects.toThrow(CorruptRecordError);
  });

  test("a missing bucket is told, and a bucket made again is another one", async () => {
    const other = uniqueBucket();
    const bucket = natsFencedBucket({ connection, bucket: other });
    await expect(bucket.put(late, "a", "x")).rejects.toThrow(StoreMissingError);
    await makePlainBucket(connection, other);
    await bucket.put(late, "a", "1");
    await bucket.put(late, "a", "2");
    await askJetStream(connection, `STREAM.DELETE.KV_${other}`);
    await makePlainBucket(connection, other);
    await expect(bucket.put(early, "a", "x")).rejects.toThrow(StoreMissingError);
    await expect(bucket.get("a")).rejects.toThrow("went back from sequence");
    await bucket.put(early, "a", "y");
    expect(await textOf(bucket, "a")).toBe("y");
    await askJetStream(connection, `STREAM.DELETE.KV_${other}`);
    bucket.close();
    await expect(bucket.get("a")).rejects.toThrow(ClosedError);
    expect(connection.isClosed()).toBe(false);
  });
});
