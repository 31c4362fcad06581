// Goal: texts and bytes come back as they were, and nobody changes what is stored by changing his own copy.
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesCodec, InvalidValueError, textCodec } from "../../src/index.ts";

test("any text comes back, a byte order mark too", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.boolean(), async (text, isMarked) => {
      const value = isMarked ? `\uFEFF${text}` : text;
      expect(await textCodec.decode(await textCodec.encode(value))).toBe(value);
    }),
  );
  expect(await textCodec.decode(await textCodec.encode(""))).toBe("");
});

test("what has no UTF-8, and what is none, is refused", async () => {
  for (const value of ["half a pair \uD800", 1, undefined, null, Object("boxed")])
    await expect(async () => textCodec.encode(value as string)).rejects.toThrow(
      /expected a string of well-formed Unicode; got/,
    );
  const bytes = new Uint8Array([0xc0, 0x80]);
  const error = await (async () => textCodec.decode(bytes))().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidValueError);
  expect(error).toMatchObject({ value: bytes, message: expect.stringContaining("not UTF-8") });
});

test("bytes are copied in and out", async () => {
  const pool = Buffer.from("-abc-");
  for (const given of [pool.subarray(1, 4), new Uint8Array([97, 98, 99])]) {
    const stored = await bytesCodec.encode(given);
    given[0] = 0;
    expect(Buffer.from(stored).toString()).toBe("abc");
    const read = await bytesCodec.decode(stored);
    expect(read).toStrictEqual(new Uint8Array([97, 98, 99]));
    read[0] = 0;
    expect(Buffer.from(stored).toString()).toBe("abc");
  }
});

test("what is no Uint8Array is refused", async () => {
  for (const value of ["abc", [1, 2], new ArrayBuffer(2), new Uint16Array(2), undefined])
    await expect(async () => bytesCodec.encode(value as never)).rejects.toThrow(
      /expected a Uint8Array; got .* Nothing was written/,
    );
});
