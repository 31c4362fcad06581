// Goal: a sequence without gaps has none, also where an answer was lost and others used many numbers before it was asked again.
import { expect, test } from "vitest";
import { OutcomeUnknownError } from "../../src/index.ts";
import { createWorld } from "../counters/counter-world.ts";

test("whoever asks again after 32 others finds the number that it used", async () => {
  const { runtime, client } = createWorld({ clients: 2, tripMs: 0.2 });
  const [mine, other] = [
    client(0).coordinator.sequence("x", { gapFree: true }),
    client(1).coordinator.sequence("x", { gapFree: true }),
  ];
  const got: number[] = [];
  const step = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const mark = () => {
      isOver = true;
    };
    work.then(mark, mark);
    for (let i = 0; i < 40_000 && !isOver; i += 1) await runtime.advance(0.5);
    return work;
  };
  got.push(await step(other.next()), await step(mine.next()), await step(mine.next()));
  let isFirst = true;
  let meanwhile: Promise<void> | undefined;
  client(0).spoil(async (request, send) => {
    if (request !== "commit" || !isFirst) return send();
    isFirst = false;
    await send();
    meanwhile = (async () => {
      for (let i = 0; i < 32; i += 1) got.push(await other.next());
    })();
    await meanwhile; // on the way of the lost answer
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const told = await step(mine.next().catch((error) => error.code));
  if (typeof told === "number") got.push(told);
  await step(meanwhile as Promise<void>);
  got.push(await step(other.next()));
  const sorted = [...got].sort((a, b) => a - b);
  expect(sorted).toEqual(sorted.map((_, index) => index + 1));
});
