// Run in a project that installed the package: what `import "leasehold"` loads, and what a connection to a store
// in memory loads besides.
import assert from "node:assert/strict";
import { registerHooks } from "node:module";

const loaded = [];
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url.replace(/^.*node_modules\//, ""));
    return nextLoad(url, context);
  },
});

const { connect } = await import("leasehold");
const unwanted = /^leasehold\/dist\/(backends|testing|cli)|@aws-sdk|@nats-io|^nats\/|commander|node:sqlite/;
assert.ok(loaded.includes("leasehold/dist/index.js"));
assert.deepEqual(
  loaded.filter((url) => unwanted.test(url)),
  [],
);

loaded.length = 0;
await (await connect("memory:")).close();
const others = /^leasehold\/dist\/(backends\/(?!memory)|testing|cli)|@aws-sdk|@nats-io|^nats\/|node:sqlite/;
assert.ok(loaded.includes("leasehold/dist/backends/memory/index.js"));
assert.deepEqual(
  loaded.filter((url) => others.test(url)),
  [],
);
