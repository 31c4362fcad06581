import zlib from "node:zlib";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError, LimitExceededError, UnsupportedError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { invalidValue } from "./invalid-value.ts";

/** How bytes are compressed. `zstd` needs Node 22.15 or newer wherever it is written or read. */
export type CompressionAlgorithm = "gzip" | "deflate" | "brotli" | "zstd";

/** What is compressed, and how. */
export interface CompressionOptions {
  /** Default: `gzip`. Values are read whichever one wrote them. */
  readonly algorithm?: CompressionAlgorithm;
  /** Smaller values stay as they are. Default: 1,024. */
  readonly thresholdBytes?: number;
}

/** No value that is compressed is larger than this: neither one that is written, nor what a few bytes unpack to. */
export const unpackedBytesMax = 8 * 1_024 * 1_024;

const defaultThresholdBytes = 1_024;

type Packer = (bytes: Uint8Array) => Uint8Array;
type Unpacker = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;

// Synchronous: the 350 KB that a store takes are packed in milliseconds, and a value is what it was when it was given.
const algorithms: Readonly<
  Record<CompressionAlgorithm, readonly [Packer | undefined, Unpacker | undefined]>
> = {
  gzip: [zlib.gzipSync, zlib.gunzipSync],
  deflate: [zlib.deflateSync, zlib.inflateSync],
  // Its default is meant for files that are packed once and takes a hundred times as long.
  brotli: [
    (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }),
    zlib.brotliDecompressSync,
  ],
  zstd: [zlib.zstdCompressSync, zlib.zstdDecompressSync],
};

/**
 * Checks compression options, once, and fills them up. `true` stands for all defaults.
 *
 * @throws InvalidArgumentError for unknown algorithms and options, UnsupportedError for one that this Node does not have.
 */
export function resolveCompression(
  options: boolean | CompressionOptions | undefined,
): Required<CompressionOptions> | undefined {
  if (options === undefined || options === false) return undefined;
  const given = options === true ? {} : options;
  checkOptions("compression", given, ["algorithm", "thresholdBytes"]);
  const { algorithm = "gzip", thresholdBytes = defaultThresholdBytes } = given;
  if (!Object.hasOwn(algorithms, algorithm))
    throw new InvalidArgumentError(
      `compression.algorithm must be ${Object.keys(algorithms).join(", ")}; got ${describe(algorithm)}`,
    );
  if (!(thresholdBytes >= 0))
    throw new InvalidArgumentError(
      `compression.thresholdBytes must be a number of bytes; got ${describe(thresholdBytes)}`,
    );
  codeOf(algorithm);
  return { algorithm, thresholdBytes };
}

/**
 * The bytes packed, with the algorithm; or as they are, without one, where they are below the threshold or do not become
 * smaller.
 *
 * @throws LimitExceededError for more than {@link unpackedBytesMax} bytes: they could not be read again.
 */
export function compress(
  bytes: Uint8Array,
  { algorithm, thresholdBytes }: Required<CompressionOptions>,
): { readonly bytes: Uint8Array; readonly compression?: CompressionAlgorithm } {
  if (bytes.length < thresholdBytes) return { bytes };
  if (bytes.length > unpackedBytesMax)
    throw new LimitExceededError(
      `a value that is compressed may have at most ${unpackedBytesMax} bytes before; got ${bytes.length}`,
      { limit: unpackedBytesMax, size: bytes.length },
    );
  const packed = codeOf(algorithm)[0](bytes);
  return packed.length < bytes.length ? { bytes: packed, compression: algorithm } : { bytes };
}

/**
 * What {@link compress} was given.
 *
 * @throws LimitExceededError when they unpack to more than `bytesMax`; InvalidValueError for an algorithm that nobody knows, or
 * bytes that it did not make; UnsupportedError for one that this Node does not have.
 */
export function decompress(bytes: Uint8Array, algorithm: string, bytesMax = unpackedBytesMax): Uint8Array {
  const [, unpack] = codeOf(algorithm, bytes);
  try {
    return unpack(bytes, { maxOutputLength: bytesMax });
  } catch (cause) {
    if ((cause as { readonly code?: unknown }).code === "ERR_BUFFER_TOO_LARGE")
      throw new LimitExceededError(
        `a value of ${bytes.length} bytes unpacks to more than ${bytesMax}: leasehold did not write it. It stays as it is`,
        { limit: bytesMax },
      );
    throw invalidValue("read", [{ path: [], message: `the bytes are not ${algorithm}` }], {
      value: bytes,
      cause,
    });
  }
}

function codeOf(algorithm: string, bytes?: Uint8Array): readonly [Packer, Unpacker] {
  if (!Object.hasOwn(algorithms, algorithm))
    throw invalidValue(
      "read",
      [{ path: [], message: `nobody knows the compression ${describe(algorithm)}` }],
      {
        value: bytes,
      },
    );
  const [pack, unpack] = algorithms[algorithm as CompressionAlgorithm];
  if (pack !== undefined && unpack !== undefined) return [pack, unpack];
  throw new UnsupportedError(
    `${algorithm} needs Node 22.15 or newer, and this is ${process.version}: use another algorithm, or upgrade`,
  );
}
