// Goal: what users can import changes only on purpose, and everything of it is explained. After a change on
// purpose: `npx vitest run test/package/public-api.test.ts -u`, and a line in CHANGELOG.md.
import { expect, test } from "vitest";
import { publicExports } from "./declarations.ts";

const api = publicExports();

test.each([...api.keys()])("%s exports what it exported before", async (specifier) => {
  const exports = api.get(specifier) ?? [];
  const text = exports.map(({ declaration }) => declaration).join("\n\n");
  const file = specifier.replace("/", "-");
  await expect(`${text}\n`).toMatchFileSnapshot(`public-api/${file}.txt`);
});

test("every export is explained", () => {
  const silent = [...api].flatMap(([specifier, exports]) =>
    exports
      .filter(({ description }) => description.trim() === "")
      .map(({ name, place }) => `${specifier} ${name} ${place}`),
  );
  expect(silent).toEqual([]);
});

test("the root exports no type of an optional package", () => {
  const foreign =
    /@aws-sdk|@nats-io|@nestjs|@fastify|\bNatsConnection\b|\bDynamoDBClient\b|from "(nats|hono|express|rate-limiter-flexible)/;
  const found = (api.get("leasehold") ?? []).filter(({ declaration }) => foreign.test(declaration));
  expect(found.map(({ name }) => name)).toEqual([]);
});
