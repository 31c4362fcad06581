import { administrationCases } from "./conformance/administration-cases.ts";
import { barrierCases } from "./conformance/barrier-cases.ts";
import { counterCases } from "./conformance/counter-cases.ts";
import { electionCases } from "./conformance/election-cases.ts";
import { groupCases } from "./conformance/group-cases.ts";
import { kvCases } from "./conformance/kv-cases.ts";
import { limiterCases } from "./conformance/limiter-cases.ts";
import { lockFailureCases } from "./conformance/lock-failure-cases.ts";
import { lockNameCases } from "./conformance/lock-name-cases.ts";
import { bindLockCase, type LockConformanceOptions } from "./conformance/lock-support.ts";
import { lockTurnCases } from "./conformance/lock-turn-cases.ts";
import { onceCases } from "./conformance/once-cases.ts";
import { permitCases } from "./conformance/permit-cases.ts";
import { scheduleCases } from "./conformance/schedule-cases.ts";
import { sequenceCases } from "./conformance/sequence-cases.ts";
import type { ConformanceCase } from "./conformance/support.ts";
import { transactionCases } from "./conformance/transaction-cases.ts";
import { watchCases } from "./conformance/watch-cases.ts";
import { webLockCases } from "./conformance/web-lock-cases.ts";

/**
 * The suite that locks pass over every backend: three clients of one store, in real time, with short leases. It
 * needs no test runner; hand each case to yours. Cases are independent and may run at the same time.
 *
 * It shows that a backend which passes `backendConformance` carries what is built on it. What it cannot show: what
 * happens to a process that really dies or stops. Test that with processes that are killed.
 *
 * @example
 * ```ts
 * import { describe, test } from "node:test";
 * import { memoryBackend } from "leasehold/memory";
 * import { lockConformance } from "leasehold/testing";
 *
 * const cases = lockConformance({
 *   create: async () => {
 *     const backend = memoryBackend();
 *     return { backends: [backend, backend, backend], destroy: () => backend.close() };
 *   },
 * });
 * describe("locks", { concurrency: 32 }, () => {
 *   for (const { title, run } of cases) test(title, run);
 * });
 * ```
 */
export function lockConformance(options: LockConformanceOptions): readonly ConformanceCase[] {
  const definitions = [
    ...lockTurnCases,
    ...lockFailureCases,
    ...lockNameCases,
    ...permitCases,
    ...electionCases,
    ...administrationCases,
    ...barrierCases,
    ...groupCases,
    ...counterCases,
    ...kvCases,
    ...limiterCases,
    ...scheduleCases,
    ...sequenceCases,
    ...onceCases,
    ...transactionCases,
    ...watchCases,
    ...webLockCases,
  ];
  return definitions.map((definition) => bindLockCase(definition, options));
}
