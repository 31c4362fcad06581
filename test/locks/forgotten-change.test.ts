// Goal: what is not known of one change is told to the one who asked for it, and to nobody else.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { ForgottenError } from "../../src/core/forgotten-error.ts";
import { RosterDriver } from "../../src/roster/roster-driver.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { now } from "./world.ts";

test("a change that cannot be told does not take others with it", async () => {
  const runtime = createVirtualRuntime({ seed: 1 });
  const driver = new RosterDriver(
    { backend: memoryBackend({ runtime }), runtime, key: "k", name: "n" },
    { onCommitted() {}, onChange() {} },
  );
  const isWanted = (failure?: unknown) => failure === undefined;
  const other = driver.submit({ apply: (roster) => roster, isWanted }).then(
    () => "done",
    (error) => error.message,
  );
  const mine = driver
    .submit({
      apply: () => {
        throw new ForgottenError("mine");
      },
      isWanted,
    })
    .catch((error) => error.code);
  expect(await now(runtime, Promise.all([other, mine]))).toEqual(["done", "OUTCOME_UNKNOWN"]);
});
