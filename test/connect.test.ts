// Goal: connect takes a URL or an object, owns what it opens, and refuses what it cannot use in words that help.
import { expect, test } from "vitest";
import { connect, InvalidArgumentError } from "../src/index.ts";

test("everything can come in one object", async () => {
  await using coordinator = await connect({ url: "memory:", ttl: "5s" });
  const grant = await coordinator.lock("x").acquire();
  expect(grant.remainingMs()).toBeLessThanOrEqual(5_000);
});

test("closing the coordinator closes the store that it opened", async () => {
  const coordinator = await connect("memory:");
  await coordinator.close();
  await coordinator.close();
  await expect(coordinator.lock("x").tryAcquire()).rejects.toMatchObject({ code: "CLOSED" });
});

test.each([
  [undefined],
  [""],
  ["sqlite"],
  ["redis://localhost"],
  ["__proto__:x"],
  ["constructor:"],
  [{ url: 17 as unknown as string }],
  [null as unknown as string],
])("%j is no store", async (url) => {
  await expect(connect(url as string)).rejects.toThrow(InvalidArgumentError);
  await expect(connect(url as string)).rejects.toThrow("connect needs a URL such as");
});

test("a URL object is as good as its text, alone or among the options", async () => {
  for (const coordinator of [await connect(new URL("memory:")), await connect({ url: new URL("memory:") })]) {
    await coordinator.lock("x").hold(() => undefined);
    await coordinator.close();
  }
  await expect(connect(new URL("redis://user:secret@host/"))).rejects.toThrow("redis://***@host/");
});

test.each(["memory:foo", "memory://", "memory:?ttl=5s"])("%s is refused: memory has no name", async (url) => {
  await expect(connect(url)).rejects.toThrow(InvalidArgumentError);
  await expect(connect(url)).rejects.toThrow(`memory: has no name and no options`);
  await expect(connect(url)).rejects.toThrow(`got ${JSON.stringify(url)}`);
});

test("a mistyped scheme does not bring a password into the message", async () => {
  const refusal = connect("nat://user:secret@host/bucket");
  await expect(refusal).rejects.toThrow("nat://***@host/bucket");
  await expect(refusal).rejects.not.toThrow("secret");
});

test.each([
  [{ ttl: 0 }, "ttl must be a duration"],
  [{ ttl: "10 minutes" as "10m" }, "ttl must be a duration"],
  [{ ttl: Number.NaN }, "ttl must be a duration"],
  [{ tll: "5s" } as object, 'connect has no option "tll"'],
  ["5s" as unknown as object, 'the options of connect must be an object; got "5s"'],
  [5 as unknown as object, "the options of connect must be an object; got 5"],
  [[] as object, "the options of connect must be an object; got an array"],
  [{ setup: "no" as unknown as boolean }, 'setup must be true or false; got "no"'],
  [{ setup: null as unknown as boolean }, "setup must be true or false; got null"],
  [{ namespace: "" }, "namespace must be a non-empty string"],
  [{ clientName: "\ud800" }, "clientName must be a non-empty string of well-formed Unicode"],
  [{ driftTolerance: -1 }, "driftTolerance must be a number from 0 to 1"],
])("options out of range are refused: %j", async (options, message) => {
  await expect(connect("memory:", options)).rejects.toThrow(InvalidArgumentError);
  await expect(connect("memory:", options)).rejects.toThrow(message);
});
