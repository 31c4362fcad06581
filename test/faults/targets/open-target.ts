import { dynamodbTarget } from "./dynamodb.ts";
import { natsTarget } from "./nats.ts";
import { natsClusterTarget } from "./nats-cluster.ts";
import { sqliteTarget } from "./sqlite.ts";
import type { BackendName, Target } from "./target.ts";

/** Starts the store of one case as it is run most simply. */
export async function openTarget(backend: BackendName, folder: string): Promise<Target> {
  switch (backend) {
    case "sqlite":
      return sqliteTarget(folder);
    case "nats":
      return natsTarget();
    case "nats-cluster":
      return natsClusterTarget();
    case "dynamodb":
      return dynamodbTarget();
  }
}
