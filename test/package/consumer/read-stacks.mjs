// Run in a project that installed the package: a stack names the functions and classes of the library, though its files
// were made small.
import assert from "node:assert/strict";
import { connect } from "leasehold";

const coordinator = await connect("memory:");
assert.throws(
  () => coordinator.lock(""),
  ({ name, stack }) => {
    assert.equal(name, "InvalidArgumentError");
    for (const line of [/^InvalidArgumentError: /, /at checkName \(/, /at createLock \(/])
      assert.match(stack, line);
    return true;
  },
);
await coordinator.close();
await assert.rejects(coordinator.lock("report").acquire(), ({ stack }) => {
  assert.match(stack, /^ClosedError: /);
  assert.match(stack, /leasehold\/dist\//);
  return true;
});
