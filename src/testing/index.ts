export { backendConformance } from "./backend-conformance.ts";
export type { LockConformanceOptions, LockConformanceStore } from "./conformance/lock-support.ts";
export type {
  BackendConformanceOptions,
  ConformanceCase,
  ConformanceSkip,
  ConformanceStore,
  MissingStore,
} from "./conformance/support.ts";
export { type CounterOperation, counterModel } from "./linearizability/counter-model.ts";
export {
  type FencedLockOperation,
  type FencedLockState,
  fencedLockModel,
} from "./linearizability/fenced-lock-model.ts";
export {
  checkLinearizability,
  type HistoryEntry,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
  type SequentialModel,
} from "./linearizability.ts";
export { lockConformance } from "./lock-conformance.ts";
export {
  type AddResult,
  type BackendRequest,
  type Interceptor,
  type ObservedBackend,
  observeBackend,
} from "./observed-backend.ts";
export { createVirtualRuntime, type VirtualRuntime } from "./virtual-runtime.ts";
