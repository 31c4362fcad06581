// Run in a project that installed the package, with the optional packages named as arguments: a store whose
// package is there is asked and does not answer; one whose package is not says which one to install.
import assert from "node:assert/strict";
import { connect } from "leasehold";

const installed = process.argv.slice(2);
const stores = [
  { url: "nats://127.0.0.1:1/leasehold", packages: ["@nats-io/transport-node", "nats"] },
  {
    url: "dynamodb://us-east-1/leasehold?endpoint=http://127.0.0.1:1",
    packages: ["@aws-sdk/client-dynamodb"],
  },
];
process.env.AWS_ACCESS_KEY_ID = "none";
process.env.AWS_SECRET_ACCESS_KEY = "none";

for (const { url, packages } of stores) {
  const error = await connect(url).then(
    () => assert.fail(`${url} has no server`),
    (reason) => reason,
  );
  if (packages.some((name) => installed.includes(name))) {
    assert.equal(error.code, "UNAVAILABLE", error.message);
    continue;
  }
  assert.equal(error.code, "MISSING_DEPENDENCY", error.message);
  assert.ok(
    packages.some((name) => error.message.includes(name)),
    error.message,
  );
}
