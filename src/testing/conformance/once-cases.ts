import assert from "node:assert/strict";
import { assertCode, type LockCaseDefinition } from "./lock-support.ts";

const callsEach = 5;

/** Once: one result for each key, whoever asks, and whatever becomes of who began. */
export const onceCases: readonly LockCaseDefinition[] = [
  {
    title: "once: many calls of three clients run the work once, and all get its result",
    async check({ clients, pass }) {
      let ran = 0;
      const work = async (): Promise<object> => {
        ran += 1;
        await pass(20);
        return { receipt: "☂", ran };
      };
      const results = await Promise.all(
        clients.flatMap(({ coordinator }) =>
          Array.from({ length: callsEach }, () => coordinator.once("payment", work)),
        ),
      );
      for (const result of results) assert.deepEqual(result, { receipt: "☂", ran: 1 });
      assert.equal(ran, 1, "the work ran once");
      assert.equal(await clients[2].coordinator.once<unknown>("nothing", () => undefined), undefined);
      assert.equal(await clients[0].coordinator.once<unknown>("nothing", () => 1), undefined);
    },
  },
  {
    title: "once: who does not wait is told, also what the key stands for",
    async check({ clients: [first, second] }) {
      const { promise, resolve } = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<void>();
      const running = first.coordinator.once(
        "busy",
        () => {
          begun.resolve();
          return promise;
        },
        { fingerprint: "a" },
      );
      await begun.promise;
      const late = (options: { readonly wait?: number; readonly fingerprint?: string }) =>
        second.coordinator.once("busy", () => "late", options);
      await assertCode(late({ wait: 0 }), "IN_PROGRESS");
      await assertCode(late({ wait: 50 }), "IN_PROGRESS");
      await assertCode(late({ fingerprint: "b" }), "FINGERPRINT_MISMATCH");
      const waiting = late({ fingerprint: "a" });
      resolve("done");
      assert.deepEqual(await Promise.all([running, waiting]), ["done", "done"]);
      await assertCode(late({ fingerprint: "b" }), "FINGERPRINT_MISMATCH");
    },
  },
  {
    title:
      "once: work that throws leaves the key to the next, and a large result is stored, or refused for good",
    async check({ clients: [first, second] }) {
      const failing = first.coordinator.once("failing", () => Promise.reject(new Error("no")));
      await assert.rejects(failing, /no/);
      assert.equal(await second.coordinator.once("failing", ({ attempt }) => attempt), 2);
      const { valueBytesMax } = first.backend.capabilities;
      const large = "x".repeat(Math.min(valueBytesMax, 400_000) - 10_000);
      assert.equal(await first.coordinator.once("large", () => large), large);
      assert.equal(await second.coordinator.once("large", () => ""), large);
      await assertCode(
        first.coordinator.once("too large", () => "x".repeat(valueBytesMax)),
        "LIMIT_EXCEEDED",
      );
      await assertCode(
        second.coordinator.once("too large", () => ""),
        "LIMIT_EXCEEDED",
      );
    },
  },
  {
    title: "once: the result is forgotten when its retention is over",
    async check({ clients: [one, other], pass }) {
      const [hour, second] = [{ retention: "1h" }, { retention: 1_000 }] as const;
      assert.equal(await one.coordinator.once("long", () => 1, hour), 1);
      assert.equal(await one.coordinator.once("short", () => 1, second), 1);
      // A store may tell its time in whole seconds.
      await pass(3_500);
      assert.equal(await other.coordinator.once("short", () => 2, second), 2);
      assert.equal(await other.coordinator.once("long", () => 2, hour), 1);
    },
  },
  {
    title: "once: the work of a client that was cut off is run by who waits, with a larger fence",
    async check({ clients: [first, second, third] }) {
      const fences: number[] = [];
      const begun = Promise.withResolvers<void>();
      const severed = first.coordinator.once("severed", async ({ fence, signal }) => {
        fences.push(fence);
        begun.resolve();
        first.sever();
        await new Promise((end) => signal.addEventListener("abort", end));
        return "late";
      });
      // It hears nothing before it is connected again, which is when the case ends.
      severed.catch(() => undefined);
      await begun.promise;
      const work = ({ fence, attempt }: { readonly fence: number; readonly attempt: number }) => {
        fences.push(fence);
        return `attempt ${attempt}`;
      };
      const waiting = [second, third].map(({ coordinator }) => coordinator.once("severed", work));
      assert.deepEqual(await Promise.all(waiting), ["attempt 2", "attempt 2"]);
      assert.equal(fences.length, 2);
      assert.ok((fences[1] ?? 0) > (fences[0] ?? 0), "fences rise");
    },
  },
];
