import assert from "node:assert/strict";
import { OutcomeUnknownError } from "../../core/errors.ts";
import type { Schedule } from "../../schedules/schedule.ts";
import type { ScheduleOptions } from "../../schedules/schedule-options.ts";
import { type LockCaseContext, type LockCaseDefinition, until } from "./lock-support.ts";

const slot = (minute: number): Date => new Date(Date.UTC(2026, 0, 5, 6, minute));

function schedules(
  { clients }: LockCaseContext,
  name: string,
  options?: ScheduleOptions,
): [Schedule, Schedule, Schedule] {
  const [one, two, three] = clients.map(({ coordinator }) => coordinator.schedule(name, options));
  return [one, two, three] as [Schedule, Schedule, Schedule];
}

/** Slots that run once in a fleet, or once more where that is allowed. */
export const scheduleCases: readonly LockCaseDefinition[] = [
  {
    title: "schedules: three clients that come at once, and late, run each slot once",
    async check(context) {
      const all = schedules(context, "schedule-once");
      const ran: number[] = [];
      for (let minute = 0; minute < 5; minute += 1) {
        await Promise.all(all.map((schedule) => schedule.run(slot(minute), () => ran.push(minute))));
        const late = await all[minute % 3]?.run(slot(minute), () => ran.push(minute));
        assert.deepEqual(late, { ran: false, reason: "taken" });
        assert.deepEqual(await all[0].run(slot(minute - 1), () => ran.push(minute)), {
          ...{ ran: false, reason: "older" },
        });
      }
      assert.deepEqual(ran, [0, 1, 2, 3, 4]);
      const last = await all[2].last();
      assert.deepEqual(last?.slot, slot(4));
      assert.equal(last?.state, "finished");
    },
  },
  {
    title: "schedules: an answer that is lost at the beginning costs no slot",
    async check(context) {
      const [first, second] = schedules(context, "schedule-lost");
      await first.run(slot(0), () => undefined);
      let lost = 0;
      context.clients[0].backend.intercept(async (request, send) => {
        const answer = await send();
        const isOurs =
          request.kind === "commit" && request.operations[0]?.key.includes(".schedule.") === true;
        if (!isOurs || lost > 0) return answer;
        lost += 1;
        throw new OutcomeUnknownError("the answer was lost");
      });
      assert.deepEqual(await first.run(slot(1), () => "ran"), { ran: true, result: "ran", attempt: 1 });
      assert.equal(lost, 1);
      assert.deepEqual(await second.run(slot(1), () => "twice"), { ran: false, reason: "taken" });
    },
  },
  {
    title: "schedules: the slot of a client that was cut off is not run again, or by one of those who wait",
    async check(context) {
      const { clients, ttlMs } = context;
      const [once] = schedules(context, "schedule-cut-once");
      const [first, second, third] = schedules(context, "schedule-cut", { attempts: 2 });
      const forever = new Promise<never>(() => undefined);
      const lost: Promise<unknown>[] = [];
      let hasBegun = 0;
      for (const schedule of [once, first]) {
        const work = () => {
          hasBegun += 1;
          return forever;
        };
        lost.push(schedule.run(slot(0), work));
      }
      await until(
        () => hasBegun === 2,
        () => "both have begun",
      );
      const attempts: number[] = [];
      const waiting = [second, third].map((schedule) =>
        schedule.run(slot(0), ({ attempt }) => attempts.push(attempt)),
      );
      const next = clients[1].coordinator
        .schedule("schedule-cut-once")
        .run(slot(1), () => "next", { wait: 20 * ttlMs });
      clients[0].sever();
      assert.equal((await Promise.all(waiting)).filter(({ ran }) => ran).length, 1);
      assert.deepEqual(attempts, [2]);
      assert.deepEqual(await next, { ran: true, result: "next", attempt: 1 });
    },
  },
  {
    title: "schedules: atLeast keeps others away, and atMost gives a slot back",
    async check(context) {
      const { pass } = context;
      const [first, second] = schedules(context, "schedule-hold", { atLeast: 600 });
      await first.run(null, () => undefined);
      assert.deepEqual(await second.run(null, () => undefined), { ran: false, reason: "closed" });
      await until(
        async () => (await second.run(null, () => undefined)).ran,
        () => "it opens again",
      );
      const [short, other] = schedules(context, "schedule-short", { atMost: 200 });
      const endless = short.run(slot(0), async ({ signal }) => {
        while (!signal.aborted) await pass(20);
      });
      await assert.rejects(endless, { code: "LEASE_LOST" });
      assert.equal((await other.run(slot(1), () => undefined, { wait: 5_000 })).ran, true);
    },
  },
];
