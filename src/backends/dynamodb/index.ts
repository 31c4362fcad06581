export { type DynamodbBackend, dynamodbBackend, dynamodbClientOf } from "./dynamodb-backend.ts";
export { type DynamodbUrlOptions, dynamodbBackendFromUrl } from "./dynamodb-backend-from-url.ts";
export {
  type DynamodbFence,
  type DynamodbFenceOptions,
  dynamodbFence,
  type FencedPutInput,
  type FencedUpdateInput,
} from "./dynamodb-fence.ts";
export type {
  FenceablePut,
  FenceableUpdate,
  FenceableWrite,
  FenceExpressions,
} from "./fence-expressions.ts";
export type { AttributeNames, DynamodbBackendOptions, DynamodbClient } from "./options.ts";
export type { TableOptions } from "./table-options.ts";
