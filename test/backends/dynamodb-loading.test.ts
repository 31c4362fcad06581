// Goal: nobody loads the AWS SDK who does not use DynamoDB, and whoever lacks it is told what to install.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "../servers/run-command.ts";

const entry = join(import.meta.dirname, "../../src/backends/dynamodb/index.ts");

/** Runs a module in a Node of its own that has no AWS SDK, and gives what it printed. */
async function withoutSdk(body: string): Promise<string> {
  const script = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (!specifier.startsWith("@aws-sdk/")) return next(specifier, context);
        console.log("looked for", specifier);
        throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
      },
    });
    const { dynamodbBackend, dynamodbBackendFromUrl } = await import(${JSON.stringify(entry)});
    ${body}`;
  const { stdout } = await runCommand([process.execPath, "--input-type=module", "--eval", script]);
  return stdout;
}

describe("without @aws-sdk/client-dynamodb", () => {
  test("the module can be imported and a backend made, and nothing looks for the package", async () => {
    const body = `await dynamodbBackend({ client: { async send() {} } }).close(); console.log("closed");`;
    expect(await withoutSdk(body)).toBe("closed\n");
  });

  test("connecting says what to install", async () => {
    const body = `
      for (const open of [
        () => dynamodbBackendFromUrl("dynamodb://eu-west-1/table"),
        () => dynamodbBackend({ client: { async send() {} } }).get(["a"]),
      ]) {
        await open().catch((error) => console.log(error.code, error.message));
      }`;
    const printed = await withoutSdk(body);
    expect(printed.match(/^MISSING_DEPENDENCY .*npm install @aws-sdk\/client-dynamodb$/gm)).toHaveLength(2);
  });
});
