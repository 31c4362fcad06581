import { CreateTableCommand, DynamoDBClient, ResourceInUseException } from "@aws-sdk/client-dynamodb";
import { connect } from "../../src/index.ts";
import { localDynamodbSettings } from "../servers/index.ts";

/** Makes the tables that examples may take for granted: `leasehold`, and `invoices` with the text key `id`. */
export async function makeExampleTables(url: string): Promise<void> {
  const { region, credentials } = localDynamodbSettings;
  const client = new DynamoDBClient({ endpoint: url, region, credentials });
  const invoices = new CreateTableCommand({
    TableName: "invoices",
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
  });
  await client.send(invoices).catch((error: unknown) => {
    // A server that outlives the test run.
    if (!(error instanceof ResourceInUseException)) throw error;
  });
  client.destroy();
  process.env.AWS_ACCESS_KEY_ID ??= credentials.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY ??= credentials.secretAccessKey;
  const coordinator = await connect(`dynamodb://${region}/leasehold?endpoint=${encodeURIComponent(url)}`);
  await coordinator.close();
}
