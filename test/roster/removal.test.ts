// Goal: a forced release takes what is held, and nothing else.
import { expect, test } from "vitest";
import { remove } from "../../src/roster/removal.ts";
import { admit, emptyRoster, join, leave } from "../../src/roster/roster.ts";

const entrant = (session: string) => ({ session, ticket: 1, ttlMs: 1_000, weight: 1 });
const removal = { id: "removal", by: "host/1", reason: "stuck", atMs: 5 };

test("takes out who holds, raises the fence, and remembers it", () => {
  const held = admit(join(emptyRoster(1), entrant("a")), 1);
  const taken = remove(held, [entrant("a")], removal);
  expect(taken.holders).toEqual([]);
  expect(taken.fence).toBeGreaterThan(held.fence);
  expect(taken.removals).toMatchObject([{ id: "removal", fences: [held.fence] }]);
  expect(remove(taken, [entrant("a")], removal)).toBe(taken);
});

test("leaves who was taken out before, and waits again, its place in line", () => {
  const first = admit(join(emptyRoster(1), entrant("a")), 1);
  const second = admit(join(leave(first, entrant("a")), entrant("b")), 2);
  const waiting = join(second, entrant("a"));
  const taken = remove(waiting, [entrant("a")], removal);
  expect(taken.holders).toEqual(second.holders);
  expect(taken.waiters).toEqual([entrant("a")]);
  expect(taken.removals).toMatchObject([{ fences: [] }]);
});
