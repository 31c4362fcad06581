export { type DynamodbBackend, dynamodbBackend, dynamodbClientOf } from "./dynamodb-backend.ts";
export {
  type DynamodbUrlOptions,
  dynamodbBackendFromUrl,
  dynamodbOptionsFromUrl,
} from "./dynamodb-backend-from-url.ts";
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
export {
  and,
  atLeast,
  atMost,
  attribute,
  beginsWith,
  between,
  contains,
  equals,
  exists,
  greaterThan,
  hasType,
  type ItemCondition,
  type ItemOperand,
  isOneOf,
  lessThan,
  missing,
  not,
  notEquals,
  or,
  size,
} from "./items/conditions.ts";
export {
  type DynamodbItems,
  type DynamodbItemsOptions,
  dynamodbItems,
  type ItemPutOptions,
  type ItemRead,
  type ItemReadOptions,
  type ItemWriteOptions,
} from "./items/dynamodb-items.ts";
export type { ExpressionParts, ItemPath } from "./items/expression.ts";
export type { ItemBatchResult } from "./items/item-batches.ts";
export type { ItemKey, ItemKeyValue, KeyNames } from "./items/item-key.ts";
export type { ItemPage, ItemPages, ItemQueryOptions, ItemScanOptions } from "./items/item-pages.ts";
export type { ItemWrite } from "./items/item-table.ts";
export {
  dynamodbSnapshot,
  dynamodbTransaction,
  type ItemConflict,
  type ItemSnapshot,
  type ItemTransaction,
  type ItemTransactionResult,
} from "./items/item-transaction.ts";
export type { ItemTransactionEntry, ItemUpdate, ValueAt } from "./items/item-update.ts";
export { type EnvironmentTable, tableFromEnvironment } from "./items/table-from-environment.ts";
export type { AttributeNames, DynamodbBackendOptions, DynamodbClient } from "./options.ts";
export type { DynamodbProvisioningOptions } from "./provision/table-definition.ts";
export { type DynamodbProvisioningText, dynamodbProvisioning } from "./provision/texts.ts";
export type { TableOptions } from "./table-options.ts";
