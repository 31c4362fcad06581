// Goal: a fence goes into writes of a user's own, of either client and in transactions, refuses late holders there, and
// a refusal because of it is told from every other.
import {
  CreateTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import {
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  TransactWriteCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dynamodbFence } from "../../src/backends/dynamodb/index.ts";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { createCoordinator, FenceRejectedError, InvalidArgumentError } from "../../src/index.ts";
import { freshTable, userClient } from "../backends/dynamodb-support.ts";
import { httpFaultProxy } from "../fault-proxy/http-fault-proxy.ts";
import { sharedServers } from "../servers/shared.ts";

const TableName = freshTable();
let client: DynamoDBClient;
let documents: DynamoDBDocumentClient;

beforeAll(async () => {
  client = userClient();
  documents = DynamoDBDocumentClient.from(client);
  await client.send(
    new CreateTableCommand({
      TableName,
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
});
afterAll(() => client.destroy());

const freshId = () => systemRuntime.id();
const refusal = (fence: number, seenFence: number) =>
  expect.objectContaining({ code: "FENCE_REJECTED", fence, seenFence, cause: expect.any(Error) });

async function itemOf(id: string): Promise<Record<string, unknown> | undefined> {
  return (await documents.send(new GetCommand({ TableName, Key: { id } }))).Item;
}

/** A write of `amount` by each client, in each form, under a grant with this fence. */
const writers: readonly [string, (id: string, fence: number, amount: number) => Promise<unknown>][] = [
  [
    "UpdateCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      const UpdateExpression = "SET amount = :amount";
      const ExpressionAttributeValues = { ":amount": amount };
      const input = { TableName, Key: { id }, UpdateExpression, ExpressionAttributeValues };
      return fence.checked(documents.send(new UpdateCommand(fence.update(input))));
    },
  ],
  [
    "PutCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      return fence.checked(documents.send(new PutCommand(fence.put({ TableName, Item: { id, amount } }))));
    },
  ],
  [
    "UpdateItemCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      const UpdateExpression = "REMOVE former ADD visits :one SET amount = :amount";
      const ExpressionAttributeValues = { ":amount": { N: String(amount) }, ":one": { N: "0" } };
      const input = { TableName, Key: { id: { S: id } }, UpdateExpression, ExpressionAttributeValues };
      return fence.checked(client.send(new UpdateItemCommand(fence.update(input))));
    },
  ],
  [
    "PutItemCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      const Item = { id: { S: id }, amount: { N: String(amount) } };
      return fence.checked(client.send(new PutItemCommand(fence.put({ TableName, Item }))));
    },
  ],
  [
    "TransactWriteCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      const Update = fence.claim({ TableName, Key: { id: `${id}-guard` } });
      const Put = fence.put({ TableName, Item: { id, amount } });
      return fence.checked(
        documents.send(new TransactWriteCommand({ TransactItems: [{ Update }, { Put }] })),
      );
    },
  ],
  [
    "TransactWriteItemsCommand",
    (id, number, amount) => {
      const fence = dynamodbFence({ fence: number });
      const Update = fence.update({
        TableName,
        Key: { id: { S: id } },
        UpdateExpression: "SET amount = :fence",
        ExpressionAttributeValues: { ":fence": { N: String(amount) } },
      });
      return fence.checked(client.send(new TransactWriteItemsCommand({ TransactItems: [{ Update }] })));
    },
  ],
];

describe.each(writers)("a fenced %s", (_name, write) => {
  test("is taken from the holder, as often as it likes, and refused from the one before", async () => {
    const id = freshId();
    await write(id, 5, 1);
    await write(id, 5, 2);
    await write(id, 8, 3);
    await expect(write(id, 7, 99)).rejects.toEqual(refusal(7, 8));
    await expect(write(id, 7, 99)).rejects.toThrow(FenceRejectedError);
    expect(await itemOf(id)).toMatchObject({ amount: 3, fence: 8 });
  });

  test("is refused from the one before as soon as the new holder has claimed the item", async () => {
    const id = freshId();
    await write(id, 5, 1);
    const fence = dynamodbFence({ fence: 6 });
    await documents.send(new UpdateCommand(fence.claim({ TableName, Key: { id } })));
    expect(await itemOf(id)).toMatchObject({ amount: 1, fence: 6 });
    await expect(write(id, 5, 99)).rejects.toEqual(refusal(5, 6));
    expect(await itemOf(id)).toMatchObject({ amount: 1, fence: 6 });
  });
});

test("real grants guard an item, and the late one changes nothing", async () => {
  const Key = { id: freshId() };
  await using coordinator = createCoordinator(memoryBackend());
  const early = dynamodbFence(await coordinator.lock("a").tryAcquire().then(released));
  const late = dynamodbFence(await coordinator.lock("a").tryAcquire().then(released));
  await late.checked(documents.send(new UpdateCommand(late.claim({ TableName, Key }))));
  const attempt = early.checked(documents.send(new UpdateCommand(early.claim({ TableName, Key }))));
  await expect(attempt).rejects.toEqual(refusal(early.fence, late.fence));
  expect(await itemOf(Key.id)).toEqual({ ...Key, fence: late.fence });
});

async function released<G extends { release(): Promise<void> }>(grant: G | null): Promise<G> {
  await grant?.release();
  return grant as G;
}

describe("a condition of the user's own", () => {
  const write = (id: string, fence: number, ConditionExpression: string) => {
    const guard = dynamodbFence({ fence });
    const input = {
      TableName,
      Key: { id },
      UpdateExpression: "SET #amount = :new",
      ConditionExpression,
      ExpressionAttributeNames: { "#amount": "amount" },
      ExpressionAttributeValues: { ":new": 2, ":yes": 1, ":no": -1 },
    };
    return guard.checked(documents.send(new UpdateCommand(guard.update(input))));
  };

  // Were these not in parentheses, the second half of some would let everybody in; two pairs are refused.
  test.for([
    "#amount = :no OR #amount = :yes",
    "(#amount = :no OR #amount = :yes)",
    " (#amount = :no) OR (#amount = :yes) ",
    "#amount BETWEEN :no AND :yes OR (#amount = :yes AND attribute_exists(#amount))",
    "attribute_exists(#amount) AND #amount IN (:no, :yes)",
    "attribute_not_exists(#amount) OR #amount = :yes AND NOT (#amount = :no)",
  ])("must hold too, and its failure stays what it is: %s", async (condition) => {
    const id = freshId();
    await documents.send(new PutCommand({ TableName, Item: { id, amount: 1, fence: 5 } }));
    await expect(write(id, 4, condition)).rejects.toEqual(refusal(4, 5));
    await write(id, 6, condition);
    expect(await itemOf(id)).toEqual({ id, amount: 2, fence: 6 });
    await expect(write(id, 7, condition)).rejects.toMatchObject({ name: "ConditionalCheckFailedException" });
    expect(await itemOf(id)).toEqual({ id, amount: 2, fence: 6 });
  });
});

test("an item under two locks has a fence of each", async () => {
  const Key = { id: freshId() };
  const write = (first: number, second: number) => {
    const [a, b] = [
      dynamodbFence({ fence: first }, { attribute: "a" }),
      dynamodbFence({ fence: second }, { attribute: "b" }),
    ];
    return a.checked(b.checked(documents.send(new UpdateCommand(a.update(b.update({ TableName, Key }))))));
  };
  await write(5, 50);
  await write(6, 50);
  await expect(write(5, 51)).rejects.toEqual(refusal(5, 6));
  await expect(write(6, 49)).rejects.toEqual(refusal(49, 50));
  expect(await itemOf(Key.id)).toEqual({ ...Key, a: 6, b: 50 });
});

test("of a transaction under several locks, one operation can be looked at", async () => {
  const [one, two] = [freshId(), freshId()];
  await documents.send(new PutCommand({ TableName, Item: { id: one, fence: 100 } }));
  const [first, second] = [dynamodbFence({ fence: 99 }), dynamodbFence({ fence: 7 })];
  const TransactItems = [
    { Update: first.claim({ TableName, Key: { id: one } }) },
    { Update: second.claim({ TableName, Key: { id: two } }) },
  ];
  const error: unknown = await documents.send(new TransactWriteCommand({ TransactItems })).catch((e) => e);
  expect(first.rejection(error, 0)).toEqual(refusal(99, 100));
  expect(second.rejection(error, 1)).toBeUndefined();
  expect(await itemOf(two)).toBeUndefined();
});

test("numbers that the document client wraps are fences too", async () => {
  const id = freshId();
  // A document client changes the client that it is made from.
  const own = userClient();
  const wrapping = DynamoDBDocumentClient.from(own, { unmarshallOptions: { wrapNumbers: true } });
  await documents.send(new PutCommand({ TableName, Item: { id, fence: 9 } }));
  const fence = dynamodbFence({ fence: 8 });
  const sent = wrapping.send(new PutCommand(fence.put({ TableName, Item: { id } })));
  await expect(fence.checked(sent)).rejects.toEqual(refusal(8, 9));
  expect(
    fence.rejection({ name: "ConditionalCheckFailedException", Item: { fence: { value: "9" } } }),
  ).toBeDefined();
  own.destroy();
});

describe("a client that sends a write again after a lost answer", () => {
  const setUp = async () => {
    const proxy = await httpFaultProxy(sharedServers().dynamodb.url);
    const retrying = userClient(proxy.url);
    const Key = { id: freshId() };
    const write = (number: number, amount: number) => {
      const fence = dynamodbFence({ fence: number });
      const input = { TableName, Key: { id: { S: Key.id } }, UpdateExpression: "SET amount = :amount" };
      const ExpressionAttributeValues = { ":amount": { N: String(amount) } };
      const command = new UpdateItemCommand(fence.update({ ...input, ExpressionAttributeValues }));
      return fence.checked(retrying.send(command));
    };
    const claim = (number: number) =>
      documents.send(new UpdateCommand(dynamodbFence({ fence: number }).claim({ TableName, Key })));
    const dispose = async () => {
      retrying.destroy();
      await proxy[Symbol.asyncDispose]();
    };
    return { proxy, Key, write, claim, [Symbol.asyncDispose]: dispose };
  };

  test("is not refused by its own first copy", async () => {
    await using world = await setUp();
    world.proxy.next("UpdateItem", { kind: "dropAfter" });
    await world.write(5, 1);
    expect(world.proxy.seen).toEqual(["UpdateItem", "UpdateItem"]);
    expect(await itemOf(world.Key.id)).toEqual({ ...world.Key, amount: 1, fence: 5 });
  });

  test("is told that its first copy may have come before the next holder", async () => {
    await using world = await setUp();
    world.proxy.next("UpdateItem", { kind: "dropAfter", meanwhile: () => world.claim(6) });
    const attempt = world.write(5, 1);
    await expect(attempt).rejects.toEqual(refusal(5, 6));
    await expect(attempt).rejects.toThrow("an earlier attempt may have been applied");
    expect(await itemOf(world.Key.id)).toEqual({ ...world.Key, amount: 1, fence: 6 });
    await expect(world.write(5, 2)).rejects.toThrow("Nothing was written");
    expect(await itemOf(world.Key.id)).toEqual({ ...world.Key, amount: 1, fence: 6 });
  });
});

test("the input of the caller stays as it was, and what it says besides is kept", () => {
  const input = Object.freeze({
    TableName,
    Key: Object.freeze({ id: "a" }),
    UpdateExpression: "REMOVE #set",
    ExpressionAttributeNames: Object.freeze({ "#set": "set", "#fence": "x" }),
    ReturnValues: "ALL_NEW" as const,
  });
  expect(dynamodbFence({ fence: 3 }).update(input)).toEqual({
    ...input,
    UpdateExpression: "SET #fence1 = :fence REMOVE #set",
    ConditionExpression: "(attribute_not_exists(#fence1) OR #fence1 <= :fence)",
    ExpressionAttributeNames: { "#set": "set", "#fence": "x", "#fence1": "fence" },
    ExpressionAttributeValues: { ":fence": 3 },
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  });
  const put = dynamodbFence({ fence: 3 }).put({ TableName, Item: { id: "a", fence: 1 } });
  expect(put.Item).toEqual({ id: "a", fence: 3 });
});

test("errors about something else are none of a fence", async () => {
  const fence = dynamodbFence({ fence: 3 });
  const condition = "ConditionalCheckFailedException";
  const others: readonly unknown[] = [
    undefined,
    new Error("x"),
    { name: condition },
    { name: condition, Item: {} },
    { name: condition, Item: { fence: "9" } },
    { name: condition, Item: { fence: 3 } },
    { name: "TransactionCanceledException" },
    { name: "TransactionCanceledException", CancellationReasons: [{ Code: "None", Item: { fence: 9 } }] },
  ];
  for (const error of others) expect(fence.rejection(error)).toBeUndefined();
  const missing = documents.send(
    new UpdateCommand(fence.claim({ TableName: freshTable(), Key: { id: "a" } })),
  );
  await expect(fence.checked(missing)).rejects.toMatchObject({ name: "ResourceNotFoundException" });
});

test("an item with something else in the fence's place is refused, by the client's own error", async () => {
  const id = freshId();
  await client.send(new PutItemCommand({ TableName, Item: { id: { S: id }, fence: { S: "x" } } }));
  const fence = dynamodbFence({ fence: 3 });
  const sent = client.send(new UpdateItemCommand(fence.claim({ TableName, Key: { id: { S: id } } })));
  await expect(fence.checked(sent)).rejects.toMatchObject({ name: "ConditionalCheckFailedException" });
  const { Item } = await client.send(new GetItemCommand({ TableName, Key: { id: { S: id } } }));
  expect(Item?.fence).toEqual({ S: "x" });
});

test("what cannot work is refused before anything is sent", () => {
  const fence = dynamodbFence({ fence: 3 });
  const attempts: readonly (readonly [attempt: () => unknown, message: string])[] = [
    [() => dynamodbFence({ fence: 0 }), "dynamodbFence needs a grant"],
    [() => dynamodbFence({ fence: 1 }, { attribute: "" }), "attribute must be the name"],
    [
      () => dynamodbFence({ fence: 1 }, { attributes: "a" } as never),
      'dynamodbFence has no option "attributes"',
    ],
    [() => fence.update({ TableName, Key: undefined }), "Key must be an object"],
    [() => fence.claim(undefined as never), "Key must be an object"],
    [() => fence.put({ TableName, Item: {} }), "Item must be an object"],
  ];
  for (const [attempt, message] of attempts) {
    expect(attempt).toThrow(InvalidArgumentError);
    expect(attempt).toThrow(message);
  }
});
