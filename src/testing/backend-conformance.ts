import { addCases } from "./conformance/add-cases.ts";
import { commitCases } from "./conformance/commit-cases.ts";
import { hintCases } from "./conformance/hint-cases.ts";
import { lifecycleCases } from "./conformance/lifecycle-cases.ts";
import { multiCases } from "./conformance/multi-cases.ts";
import { raceCases } from "./conformance/race-cases.ts";
import { readCases } from "./conformance/read-cases.ts";
import { type BackendConformanceOptions, bindCase, type ConformanceCase } from "./conformance/support.ts";
import { timeCases } from "./conformance/time-cases.ts";

/**
 * The suite that every backend passes: one case for each sentence of the storage contract. It needs no test
 * runner; hand each case to yours. A case is skipped only for a capability that the backend declares not to have,
 * and says so. Cases are independent and may run at the same time.
 *
 * What it cannot show: that no outcome is ever wrong after a lost connection. Test that with a proxy that drops
 * answers.
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * import { memoryBackend } from "leasehold/memory";
 * import { backendConformance } from "leasehold/testing";
 *
 * const cases = backendConformance({
 *   create: async () => {
 *     const backend = memoryBackend();
 *     return { backend, other: backend, destroy: () => backend.close() };
 *   },
 *   createMissing: { skip: "a store in memory is made together with its client" },
 *   declared: { commitOperationsMax: 1_000, wake: true, watch: "push", orderedScan: true },
 * });
 * for (const { title, skip, run } of cases) {
 *   test(title, { skip: skip === undefined ? false : `${skip.capability}: ${skip.reason}` }, run);
 * }
 * ```
 */
export function backendConformance(options: BackendConformanceOptions): readonly ConformanceCase[] {
  const definitions = [
    ...commitCases,
    ...raceCases,
    ...multiCases(options),
    ...addCases,
    ...timeCases,
    ...readCases(options),
    ...hintCases(options),
    ...lifecycleCases(options),
  ];
  return definitions.map((definition) => bindCase(definition, options));
}
