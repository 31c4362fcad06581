// Goal: a dynamodb URL and the options of the backend say what they mean, or are refused with words that help.
import { describe, expect, test } from "vitest";
import { dynamodbBackend, dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import { parseDynamodbUrl } from "../../src/backends/dynamodb/parse-url.ts";
import { InvalidArgumentError } from "../../src/core/errors.ts";

describe("a dynamodb URL", () => {
  test("names Region, table, endpoint and options", () => {
    const url =
      "dynamodb://eu-west-1/jobs?endpoint=http://127.0.0.1:8000&billing=provisioned&readUnits=5&writeUnits=6" +
      "&encryption=aws-managed&pointInTimeRecovery=true&deletionProtection=true&tableClass=STANDARD&streams=both" +
      "&key=id&expiry=ttl&requestTimeout=2s&timeToLive=false&allowEventualGlobalTable=true";
    expect(parseDynamodbUrl(url)).toEqual({
      region: "eu-west-1",
      endpoint: "http://127.0.0.1:8000",
      options: {
        table: "jobs",
        attributes: { key: "id", expiry: "ttl" },
        create: {
          billing: { readUnits: 5, writeUnits: 6 },
          encryption: "aws-managed",
          pointInTimeRecovery: true,
          deletionProtection: true,
          tableClass: "STANDARD",
          streams: "both",
        },
        timeToLive: false,
        allowEventualGlobalTable: true,
        requestTimeout: "2s",
      },
    });
  });

  test("may bound the units of a table on demand", () => {
    const { options } = parseDynamodbUrl("dynamodb://eu-west-1/jobs?writeUnitsMax=100");
    expect(options.create?.billing).toEqual({ writeUnitsMax: 100 });
  });

  test("may leave out everything but the scheme", () => {
    const { region, endpoint, options } = parseDynamodbUrl("dynamodb://");
    expect([region, endpoint, options.table]).toEqual([undefined, undefined, "leasehold"]);
  });

  test.for([
    ["http://eu-west-1/table", /expected a URL such as dynamodb:/],
    ["dynamodb:eu-west-1", /expected a URL such as dynamodb:/],
    ["dynamodb://key:secret@eu-west-1/table", /credentials by the environment/],
    ["dynamodb://127.0.0.1:8000/table", /another host as \?endpoint=/],
    ["dynamodb://eu-west-1/table?endpiont=http://x", /no parameter "endpiont"; it has endpoint/],
    ["dynamodb://eu-west-1/table?key=a&key=b", /names key twice/],
    ["dynamodb://eu-west-1/table?endpoint=127.0.0.1", /endpoint must be an http or https URL/],
    ["dynamodb://eu-west-1/table?billing=provisioned", /together with readUnits and writeUnits/],
    ["dynamodb://eu-west-1/table?readUnits=5", /together with readUnits and writeUnits/],
    [
      "dynamodb://eu-west-1/table?billing=provisioned&readUnits=0&writeUnits=1",
      /readUnits must be a whole number/,
    ],
    ["dynamodb://eu-west-1/table?billing=provisioned&readUnitsMax=5", /billing must be on-demand, alone or/],
    [
      "dynamodb://eu-west-1/table?streams=all",
      /streams must be keys-only, new-image, old-image, both; got "all"/,
    ],
    ["dynamodb://eu-west-1/table?tags=team", /tags must be like/],
    ["dynamodb://eu-west-1/table?encryption=yes", /encryption must be aws-owned/],
    ["dynamodb://eu-west-1/table?deletionProtection=yes", /deletionProtection must be true or false/],
    ["dynamodb://eu-west-1/table?tableClass=CHEAP", /tableClass must be/],
    ["dynamodb://eu-west-1/two/parts", /table must be 3 to 255 characters/],
    ["dynamodb://eu-west-1/t", /table must be 3 to 255 characters/],
    ["dynamodb://eu-west-1/table?requestTimeout=1ms", /requestTimeout must be a duration from 50 ms/],
    ["dynamodb://eu-west-1/table?key=d", /attributes must be different names/],
  ] as const)("%s is refused", async ([url, message]) => {
    const open = dynamodbBackendFromUrl(url);
    await expect(open).rejects.toThrow(InvalidArgumentError);
    await expect(open).rejects.toThrow(message);
  });
});

describe("the options of dynamodbBackend", () => {
  const client = { send: async () => ({}) };

  test.for([
    [{ table: "a table" }, /table must be/],
    [{ attributes: { key: "same", value: "same" } }, /attributes must be different names/],
    [{ attributes: { sum: "v1" } }, /attributes must be different names/],
    [{ attributes: { sum: "" } }, /attributes must be different names/],
    [{ requestTimeout: Number.POSITIVE_INFINITY }, /requestTimeout must be a duration/],
    [{ tabel: "leasehold" }, /dynamodbBackend has no option "tabel"/],
    [{ create: { billing: { readUnits: 1 } } }, /billing must be on-demand, \{ readUnits/],
    [{ create: { billing: { readUnits: 1, writeUnits: 0.5 } } }, /billing must be .*got .*0\.5/],
    [{ create: { billing: {} } }, /billing must be/],
    [{ create: { billing: null } }, /billing must be/],
    [{ create: { stream: "both" } }, /create has no option "stream"/],
    [{ create: { streams: "toString" } }, /streams must be/],
    [{ create: { deletionProtection: "yes" } }, /deletionProtection must be true or false/],
    [{ create: { tags: { a: 1 } } }, /tags must be an object of texts/],
    [{ client: {} }, /client must be a DynamoDBClient/],
  ] as const)("%j are refused", ([options, message]) => {
    expect(() => dynamodbBackend({ client, ...options } as never)).toThrow(InvalidArgumentError);
    expect(() => dynamodbBackend({ client, ...options } as never)).toThrow(message);
  });

  test("may name the table by its ARN", () => {
    const table = "arn:aws:dynamodb:eu-west-1:123456789012:table/leasehold";
    expect(dynamodbBackend({ client, table }).kind).toBe("dynamodb");
  });
});
