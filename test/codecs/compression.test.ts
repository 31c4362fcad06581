// Goal: what was compressed comes back whichever way it was, nothing grows, and no bomb goes off.
import zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { compress, decompress, resolveCompression, unpackedBytesMax } from "../../src/codecs/compression.ts";
import {
  type CompressionAlgorithm,
  InvalidArgumentError,
  InvalidValueError,
  LimitExceededError,
} from "../../src/index.ts";

const algorithms: readonly CompressionAlgorithm[] = ["gzip", "deflate", "brotli", "zstd"];

function resolved(options: Parameters<typeof resolveCompression>[0]): {
  algorithm: CompressionAlgorithm;
  thresholdBytes: number;
} {
  const all = resolveCompression(options);
  if (all === undefined) throw new Error("expected compression");
  return all;
}

test("options are checked and filled up", () => {
  expect(resolveCompression(undefined)).toBeUndefined();
  expect(resolveCompression(false)).toBeUndefined();
  expect(resolveCompression(true)).toEqual({ algorithm: "gzip", thresholdBytes: 1_024 });
  expect(resolveCompression({ algorithm: "zstd", thresholdBytes: 0 })).toEqual({
    algorithm: "zstd",
    thresholdBytes: 0,
  });
  for (const bad of [
    { algorithm: "lzma" },
    { algorithm: "toString" },
    { level: 9 },
    { thresholdBytes: -1 },
    { thresholdBytes: Number.NaN },
    { thresholdBytes: "1kb" },
    "gzip",
  ])
    expect(() => resolveCompression(bad as never), JSON.stringify(bad)).toThrow(InvalidArgumentError);
});

describe.each(algorithms)("%s", (algorithm) => {
  const options = resolved({ algorithm, thresholdBytes: 0 });

  test("bytes come back, and never grow", () => {
    const repeated = fc
      .tuple(fc.uint8Array(), fc.integer({ min: 1, max: 50 }))
      .map(([bytes, times]) =>
        Uint8Array.from({ length: bytes.length * times }, (_, index) => bytes[index % bytes.length] ?? 0),
      );
    fc.assert(
      fc.property(repeated, (bytes) => {
        const { bytes: packed, compression } = compress(bytes, options);
        if (compression === undefined) {
          expect(packed).toBe(bytes);
          return;
        }
        expect(packed.length).toBeLessThan(bytes.length);
        expect(Buffer.compare(decompress(packed, compression), bytes)).toBe(0);
      }),
    );
  });

  test("what is below the threshold stays as it is", () => {
    const bytes = new Uint8Array(1_023);
    expect(compress(bytes, resolved({ algorithm }))).toEqual({ bytes });
    expect(compress(new Uint8Array(1_024), resolved({ algorithm })).compression).toBe(algorithm);
  });

  test("a bomb does not go off", () => {
    const { bytes: bomb } = compress(new Uint8Array(unpackedBytesMax), options);
    expect(bomb.length).toBeLessThan(unpackedBytesMax / 100);
    expect(decompress(bomb, algorithm)).toHaveLength(unpackedBytesMax);
    expect(() => decompress(bomb, algorithm, unpackedBytesMax - 1)).toThrow(LimitExceededError);
  });

  test("what could not be read again is not written", () => {
    expect(() => compress(new Uint8Array(unpackedBytesMax + 1), options)).toThrow(
      expect.objectContaining({
        code: "LIMIT_EXCEEDED",
        limit: unpackedBytesMax,
        size: unpackedBytesMax + 1,
      }),
    );
  });

  test("what is cut short or something else is a typed error that keeps the bytes", () => {
    const { bytes } = compress(Buffer.from("a text that comes again and again, ".repeat(50)), options);
    for (const damaged of [
      bytes.subarray(0, -3),
      bytes.subarray(0, 1),
      Buffer.from("no such bytes"),
      new Uint8Array(0),
    ])
      expect(() => decompress(damaged, algorithm)).toThrow(
        expect.objectContaining({ code: "INVALID_VALUE", value: damaged }),
      );
  });
});

test("an algorithm that nobody knows is a typed error", () => {
  for (const name of ["lzma", "toString", "__proto__", ""])
    expect(() => decompress(zlib.gzipSync("x"), name)).toThrow(InvalidValueError);
});

test("a Node without zstd says so before anything is written, and when it is to read", async () => {
  const { zstdCompressSync, zstdDecompressSync } = zlib;
  Object.assign(zlib, { zstdCompressSync: undefined, zstdDecompressSync: undefined });
  try {
    vi.resetModules();
    const old = await import("../../src/codecs/compression.ts");
    const expected = expect.objectContaining({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/^zstd needs Node 22\.15 or newer, and this is v\d/),
    });
    expect(() => old.resolveCompression({ algorithm: "zstd" })).toThrow(expected);
    expect(() => old.decompress(zstdCompressSync("x"), "zstd")).toThrow(expected);
    expect(old.decompress(zlib.gzipSync("x"), "gzip")).toHaveLength(1);
  } finally {
    Object.assign(zlib, { zstdCompressSync, zstdDecompressSync });
    vi.resetModules();
  }
});
