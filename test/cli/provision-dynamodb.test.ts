// Goal: `leasehold provision dynamodb` makes or validates a table, or prints what the library prints for it; whoever types
// something wrong reads one line and gets 64.
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { dynamodbProvisioning } from "../../src/backends/dynamodb/index.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { localDynamodbSettings } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { makePlace, type Place } from "./cli-process.ts";

/** Runs `leasehold provision dynamodb` with these words. */
async function run(place: Place, words: string, environment: NodeJS.ProcessEnv = {}) {
  const args = ["provision", "dynamodb", ...words.split(" ").filter((word) => word !== "")];
  const { exitCode, stdout, stderr } = await place.run(args, environment);
  return { exitCode, stdout, stderr };
}

test("a table is made as the options say, and found to be ready after that", async () => {
  await using place = makePlace();
  const table = `provisioned-${systemRuntime.id()}`;
  const endpoint = encodeURIComponent(sharedServers().dynamodb.url);
  const url = `dynamodb://us-east-1/elsewhere?endpoint=${endpoint}&key=name`;
  const words = `--table ${table} --key id --list-index by-group --streams both --write-units-max 50 --no-ttl`;
  const ready = { exitCode: 0, stdout: `the table ${table} is ready\n`, stderr: "" };
  expect(await run(place, `--url ${url} ${words}`)).toEqual(ready);
  const client = new DynamoDBClient({ ...localDynamodbSettings, endpoint: sharedServers().dynamodb.url });
  const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
  client.destroy();
  expect(Table?.KeySchema).toEqual([{ AttributeName: "id", KeyType: "HASH" }]);
  expect(Table?.StreamSpecification?.StreamViewType).toBe("NEW_AND_OLD_IMAGES");
  expect(Table?.GlobalSecondaryIndexes).toMatchObject([{ IndexName: "by-group" }]);
  expect(await run(place, `--table ${table} --key id`, { LEASEHOLD_URL: url })).toEqual(ready);
  const other = await run(place, `--url ${url} --table ${table}`);
  expect(other).toMatchObject({ exitCode: exitCodes.configuration, stdout: "" });
  expect(other.stderr).toMatch(/expected name \(S, HASH\), found id/);
});

test("what is printed is what the library says, without a store", async () => {
  await using place = makePlace();
  const words =
    "--table user-profiles --region eu-west-1 --account 123456789012 --key id --read-units 2 --write-units 3 " +
    "--tags team=billing,stage=test --encryption aws-managed --deletion-protection --point-in-time-recovery " +
    "--table-class STANDARD";
  const options = {
    table: "user-profiles",
    region: "eu-west-1",
    account: "123456789012",
    attributes: { key: "id" },
    create: {
      billing: { readUnits: 2, writeUnits: 3 },
      encryption: "aws-managed",
      pointInTimeRecovery: true,
      deletionProtection: true,
      tableClass: "STANDARD",
      tags: { team: "billing", stage: "test" },
    },
  } as const;
  const texts = ["cloudformation", "terraform", "cdk", "aws-cli", "iam", "iam-setup", "environment"] as const;
  const printed = await Promise.all(texts.map((text) => run(place, `${words} --print ${text}`)));
  expect(printed).toEqual(
    texts.map((text) => ({ exitCode: 0, stdout: dynamodbProvisioning(text, options), stderr: "" })),
  );
});

test.for([
  [
    "",
    /needs --url \(or LEASEHOLD_URL\) like dynamodb:.*; LEASEHOLD_URL is "sqlite:.*store\.db", of another kind of store$/m,
  ],
  ["--url dynamodb:eu-west-1", /like dynamodb:.*; --url is "dynamodb:eu-west-1"$/m],
  ["--url sqlite:./x.db", /like dynamodb:.*; --url is "sqlite:\.\/x\.db", of another kind of store$/m],
  ["jobs", /takes options only; got jobs/],
  ["--print yaml", /'yaml' is invalid/],
  ["--print cdk --tags team", /tags must be like/],
  ["--print cdk --streams all", /streams must be/],
  ["--print cdk --read-units 3", /billing must be/],
  ["--print iam --account 12", /region and account must be/],
] as const)("%s is refused", async ([words, message]) => {
  await using place = makePlace();
  const { exitCode, stdout, stderr } = await run(place, words);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^leasehold: .*\n$/);
  expect([exitCode, stdout]).toEqual([exitCodes.usage, ""]);
});

test("provision alone, or of another store, is refused; its help names both", async () => {
  await using place = makePlace();
  for (const args of [[], ["sqlite"]]) {
    const { exitCode, stderr } = await place.run(["provision", ...args]);
    expect(stderr).toMatch(/^leasehold: provision needs a store, dynamodb or nats.*\n$/);
    expect(exitCode).toBe(exitCodes.usage);
  }
  const { stdout } = await place.run(["provision", "--help"]);
  expect(stdout).toMatch(/dynamodb .*\n +nats /);
  const { stdout: help } = await place.run(["provision", "dynamodb", "--help"]);
  expect(`${stdout}${help}`.split("\n").filter((line) => line.length > 80)).toEqual([]);
});
