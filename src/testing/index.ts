export { backendConformance } from "./backend-conformance.ts";
export type { LockConformanceOptions, LockConformanceStore } from "./conformance/lock-support.ts";
export type {
  BackendConformanceOptions,
  ConformanceCase,
  ConformanceSkip,
  ConformanceStore,
  MissingStore,
} from "./conformance/support.ts";
export { lockConformance } from "./lock-conformance.ts";
export {
  type BackendRequest,
  type Interceptor,
  type ObservedBackend,
  observeBackend,
} from "./observed-backend.ts";
export { createVirtualRuntime, type VirtualRuntime } from "./virtual-runtime.ts";
