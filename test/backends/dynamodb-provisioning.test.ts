// Goal: what is printed for others makes the very table that set-up makes, a policy allows what leasehold does and no
// more, and nothing that stands in a name or tag gets out of its quotes.
import { execFileSync } from "node:child_process";
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, describe, expect, test } from "vitest";
import {
  type DynamodbProvisioningOptions,
  type DynamodbProvisioningText,
  dynamodbBackend,
  dynamodbProvisioning,
  tableFromEnvironment,
} from "../../src/backends/dynamodb/index.ts";
import { InvalidArgumentError, UnsupportedError } from "../../src/core/errors.ts";
import { httpFaultProxy } from "../fault-proxy/http-fault-proxy.ts";
import { sharedServers } from "../servers/shared.ts";
import { freshTable, put, putNow, readText, userClient } from "./dynamodb-support.ts";

const client = userClient();
afterAll(() => client.destroy());

const keyArn = "arn:aws:kms:eu-west-1:123456789012:key/7";
const everything = (): DynamodbProvisioningOptions & { readonly table: string } => ({
  table: freshTable(),
  attributes: { key: "id", expiry: "until" },
  listIndex: "by-group",
  create: {
    billing: { readUnits: 5, writeUnits: 6 },
    streams: "both",
    deletionProtection: true,
    tableClass: "STANDARD_INFREQUENT_ACCESS",
    tags: { team: `bil'ling \${x} "y"`, "a:b": "%{c}" },
  },
});
const tables: readonly [string, () => DynamodbProvisioningOptions & { readonly table: string }][] = [
  ["by default", () => ({ table: freshTable() })],
  ["with everything", everything],
  [
    "without TTL, on demand with bounds",
    () => ({ table: freshTable(), timeToLive: false, create: { billing: { writeUnitsMax: 9 } } }),
  ],
];

/** The `CreateTable` that set-up sends. */
async function sentBySetup(options: DynamodbProvisioningOptions): Promise<CreateTableCommandInput> {
  await using proxy = await httpFaultProxy(sharedServers().dynamodb.url);
  const throughProxy = userClient(proxy.url);
  const backend = dynamodbBackend({ client: throughProxy, ...options, table: freshTable() });
  await backend.setup();
  await backend.close();
  throughProxy.destroy();
  const input = JSON.parse(proxy.bodies[proxy.seen.indexOf("CreateTable")] ?? "") as CreateTableCommandInput;
  return { ...input, TableName: options.table };
}

type Properties = Record<string, unknown> & { readonly TableName: string };

function cloudformation(options: DynamodbProvisioningOptions): Properties {
  const template = JSON.parse(dynamodbProvisioning("cloudformation", options)) as {
    readonly Resources: { readonly Table: { readonly Type: string; readonly Properties: Properties } };
  };
  expect(template.Resources.Table.Type).toBe("AWS::DynamoDB::Table");
  return template.Resources.Table.Properties;
}

describe.each(tables)("for a table %s,", (_, optionsOf) => {
  test("the template of CloudFormation makes one that set-up accepts and that works", async () => {
    const options = optionsOf();
    const { TimeToLiveSpecification, StreamSpecification, ...properties } = cloudformation(options);
    // The two places where CloudFormation has other words than CreateTable; a key of one's own would be the third.
    const stream = StreamSpecification && {
      StreamSpecification: { StreamEnabled: true, ...StreamSpecification },
    };
    const input = { ...properties, ...(stream as object) } as unknown as CreateTableCommandInput;
    expect(input).toEqual(await sentBySetup(options));
    await client.send(new CreateTableCommand(input));
    if (TimeToLiveSpecification !== undefined) {
      const specification = TimeToLiveSpecification as { AttributeName: string; Enabled: boolean };
      const TableName = options.table;
      await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: specification }));
    }
    expect(TimeToLiveSpecification === undefined).toBe(options.timeToLive === false);
    const backend = dynamodbBackend({ client, ...options });
    await backend.setup({ create: false });
    await putNow(backend, "app.kv.a", "one", null);
    expect(await readText(backend, "app.kv.a")).toBe("one");
    await backend.close();
  });

  test("the statements of CDK and the commands of the AWS command line say the same", async () => {
    const options = optionsOf();
    expect(raised(propsOfCdk(options))).toEqual(cloudformation(options));
    const [create = [], wait, timeToLive] = commandsOf(dynamodbProvisioning("aws-cli", options));
    expect(create.slice(0, 3)).toEqual(["dynamodb", "create-table", "--cli-input-json"]);
    expect(JSON.parse(create[3] ?? "")).toEqual(await sentBySetup(options));
    expect(wait).toEqual(["dynamodb", "wait", "table-exists", "--table-name", options.table]);
    const specification = cloudformation(options).TimeToLiveSpecification;
    expect(timeToLive === undefined ? undefined : JSON.parse(timeToLive.at(-1) ?? "")).toEqual(specification);
  });
});

/** What the statements hand to the construct of a table. */
function propsOfCdk(options: DynamodbProvisioningOptions): unknown {
  let found: unknown;
  class CfnTable {
    readonly attrArn = "arn";
    constructor(_scope: unknown, _id: string, props: unknown) {
      found = props;
    }
    applyRemovalPolicy(): void {}
  }
  const Table = { fromTableAttributes: () => ({}) };
  const run = new Function("dynamodb", "RemovalPolicy", dynamodbProvisioning("cdk", options));
  run({ CfnTable, Table }, {});
  return found;
}

/** With the letters of CloudFormation. */
function raised(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(raised);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [
    name.replace(/^(sse|kms)(?=[A-Z])|^./, (letters) => letters.toUpperCase()),
    raised(member),
  ]);
  return Object.fromEntries(members);
}

/** The arguments of each command, as a shell makes them out. */
function commandsOf(script: string): readonly (readonly string[])[] {
  const recording = `aws() { printf '%s\\0' "$@"; printf '\\n\\0'; }\n${script}`;
  const words = execFileSync("sh", ["-c", recording]).toString().split("\0");
  const commands: string[][] = [[]];
  for (const word of words) {
    if (word === "\n") commands.push([]);
    else commands.at(-1)?.push(word);
  }
  return commands.filter((command) => command.length > 1);
}

test("a key of one's own, backups and a Region are in every text that has a place for them", () => {
  const options = {
    table: "jobs",
    region: "eu-west-1",
    create: { encryption: keyArn, pointInTimeRecovery: true },
  } as const;
  expect(cloudformation(options)).toMatchObject({
    SSESpecification: { SSEEnabled: true, SSEType: "KMS", KMSMasterKeyId: keyArn },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
  });
  expect(raised(propsOfCdk(options))).toEqual(cloudformation(options));
  const commands = commandsOf(dynamodbProvisioning("aws-cli", options));
  expect(commands.map(([, name]) => name)).toEqual([
    ...["create-table", "wait", "update-time-to-live", "update-continuous-backups"],
  ]);
  expect(commands.every((command) => command.includes("eu-west-1"))).toBe(true);
  const [, , key] = JSON.parse(dynamodbProvisioning("iam", options)).Statement.slice(1);
  expect(key).toMatchObject({ Resource: keyArn, Condition: { StringLike: {} } });
});

test("the resource of Terraform has it all, with nothing to fill in", () => {
  const options = { ...everything(), table: "9.jobs" };
  const create = { ...options.create, encryption: keyArn, pointInTimeRecovery: true };
  expect(
    dynamodbProvisioning("terraform", { ...options, create }),
  ).toBe(`resource "aws_dynamodb_table" "_9_jobs" {
  name = "9.jobs"
  billing_mode = "PROVISIONED"
  hash_key = "id"
  read_capacity = 5
  write_capacity = 6
  table_class = "STANDARD_INFREQUENT_ACCESS"
  deletion_protection_enabled = true
  stream_enabled = true
  stream_view_type = "NEW_AND_OLD_IMAGES"
  tags = {
    "team" = "bil'ling $\${x} \\"y\\""
    "a:b" = "%%{c}"
  }
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "g"
    type = "S"
  }
  global_secondary_index {
    name = "by-group"
    hash_key = "g"
    range_key = "id"
    projection_type = "KEYS_ONLY"
    read_capacity = 5
    write_capacity = 6
  }
  server_side_encryption {
    enabled = true
    kms_key_arn = "${keyArn}"
  }
  ttl {
    attribute_name = "until"
    enabled = true
  }
  point_in_time_recovery {
    enabled = true
  }
}
`);
});

describe("a policy", () => {
  const allowed = (text: DynamodbProvisioningText, options: DynamodbProvisioningOptions) =>
    (
      JSON.parse(dynamodbProvisioning(text, options)) as {
        Statement: { Action: string[]; Resource: string }[];
      }
    ).Statement;

  /** The actions that requests stand for, with what they are about. */
  function actionsOf(seen: readonly string[], bodies: readonly string[]): string[] {
    const actions = seen.flatMap((name, index) => {
      const body = JSON.parse(bodies[index] ?? "") as { IndexName?: string; TransactItems?: object[] };
      if (name !== "TransactWriteItems") return [`${name} ${body.IndexName ?? "table"}`];
      const items = body.TransactItems?.flatMap((item) => Object.keys(item)) ?? [];
      return items.map((item) => `${item === "ConditionCheck" ? "ConditionCheckItem" : `${item}Item`} table`);
    });
    return [...new Set(actions)].toSorted();
  }

  const namesOf = (statements: readonly { Action: string[]; Resource: string }[]) =>
    statements
      .flatMap(({ Action, Resource }) =>
        Action.map((name) => `${name.split(":")[1]} ${/\/index\/(.+)/.exec(Resource)?.[1] ?? "table"}`),
      )
      .toSorted();

  test("for what runs allows each request that the backend makes, and nothing that it never makes", async () => {
    await using proxy = await httpFaultProxy(sharedServers().dynamodb.url);
    const throughProxy = userClient(proxy.url);
    const options = { table: freshTable(), listIndex: "by-group" };
    const owner = dynamodbBackend({ client, ...options });
    await owner.setup();
    await owner.close();
    const backend = dynamodbBackend({ client: throughProxy, ...options });
    await backend.setup({ create: false });
    const version = await putNow(backend, "app.kv.a", "one", null);
    await putNow(backend, "app.kv.b", JSON.stringify({ counter: 1, receipts: [] }));
    await backend.add("app.kv.b", 1, { writer: "w", sequence: 1 });
    await backend.commit([{ kind: "check", key: "app.kv.a", expect: version }, put("app.kv.c", "two", null)]);
    await backend.commit([{ kind: "delete", key: "app.kv.c" }, put("app.kv.d", "two")]);
    await backend.commit([{ kind: "delete", key: "app.kv.d" }]);
    await backend.get(["app.kv.a", "app.kv.b"]);
    await backend.get(["app.kv.a"]);
    await backend.scan("app.kv.");
    await backend.scan("app");
    await backend.time();
    await backend.close();
    throughProxy.destroy();
    expect(namesOf(allowed("iam", options))).toEqual(actionsOf(proxy.seen, proxy.bodies));
    for (const { Resource } of allowed("iam", {
      ...options,
      region: "us-gov-west-1",
      account: "123456789012",
    })) {
      expect(Resource).toContain(`arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/${options.table}`);
    }
  });

  test("for what sets up allows each request of it, and nothing that it never makes", async () => {
    await using proxy = await httpFaultProxy(sharedServers().dynamodb.url);
    const throughProxy = userClient(proxy.url);
    const create = { pointInTimeRecovery: true };
    const options = { table: freshTable(), create };
    const backend = dynamodbBackend({ client: throughProxy, ...options });
    // DynamoDB Local has no backups; the request counts.
    await expect(backend.setup()).rejects.toThrow(UnsupportedError);
    await backend.close();
    const indexed = { table: freshTable(), listIndex: "by-group" };
    const other = dynamodbBackend({ client: throughProxy, ...indexed });
    await other.setup();
    await other.close();
    throughProxy.destroy();
    const both = namesOf(allowed("iam-setup", { ...indexed, create }));
    expect(both).toEqual(actionsOf(proxy.seen, proxy.bodies));
    expect(namesOf(allowed("iam-setup", { create: { tags: { a: "b" } }, timeToLive: false }))).toEqual([
      ...["CreateTable table", "DescribeTable table", "DescribeTimeToLive table", "TagResource table"],
    ]);
  });
});

test("the lines for the environment are what tableFromEnvironment looks for", () => {
  const variables = (options: DynamodbProvisioningOptions) =>
    Object.fromEntries(
      dynamodbProvisioning("environment", options)
        .trim()
        .split("\n")
        .map((line) => line.split("=")),
    ) as Record<string, string>;
  const arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/user-profiles";
  const known = { table: "user-profiles", region: "eu-west-1", account: "123456789012" };
  for (const options of [known, { table: arn }]) {
    expect(tableFromEnvironment("user-profiles", variables(options))).toEqual({ name: "user-profiles", arn });
  }
  expect(variables({ table: "user-profiles" }).KV_USER_PROFILES_ARN).toBe(
    `arn:aws:dynamodb:\${AWS_REGION}:\${AWS_ACCOUNT_ID}:table/user-profiles`,
  );
});

test.for([
  [{ table: "a'; rm -rf /" }, /table must be/],
  [{ region: "eu west" }, /region and account must be like/],
  [{ account: "12" }, /region and account must be like/],
  [{ client: {} }, /dynamodbProvisioning has no option "client"/],
  [{ create: { encryption: "arn:aws:kms:x' y" } }, /encryption must be/],
] as const)("%j is refused", ([options, message]) => {
  const text = () => dynamodbProvisioning("cloudformation", options as DynamodbProvisioningOptions);
  expect(text).toThrow(InvalidArgumentError);
  expect(text).toThrow(message);
});

test("a text that nobody knows is refused", () => {
  expect(() => dynamodbProvisioning("toString" as "iam")).toThrow(/there is text for cloudformation/);
});
