export { dynamodbBackend } from "./dynamodb-backend.ts";
export { type DynamodbUrlOptions, dynamodbBackendFromUrl } from "./dynamodb-backend-from-url.ts";
export type { AttributeNames, DynamodbBackendOptions, DynamodbClient, TableOptions } from "./options.ts";
