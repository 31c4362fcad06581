export { backendConformance } from "./backend-conformance.ts";
export type {
  BackendConformanceOptions,
  ConformanceCase,
  ConformanceSkip,
  ConformanceStore,
  MissingStore,
} from "./conformance/support.ts";
export { createVirtualRuntime, type VirtualRuntime } from "./virtual-runtime.ts";
