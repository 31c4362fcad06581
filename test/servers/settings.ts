import { join, resolve } from "node:path";

/**
 * The NATS release lines that the tests use: the newest one; 2.10, which has neither per-message TTLs nor
 * atomic batches; and 2.9 before 2.9.21, which leasehold must refuse.
 */
export type NatsVersion = "2.15" | "2.10" | "2.9";

/** Where one NATS release line comes from: variables of the environment, image, releases of distributions. */
export interface NatsLine {
  readonly version: NatsVersion;
  /** Variable that names a running server of this line. */
  readonly urlVariable: string;
  /** Variable that names another container image for this line. */
  readonly imageVariable: string;
  readonly defaultImage: string;
  /** Releases whose `nats-server` package is of this line, tried in order. */
  readonly releases: Readonly<Record<"debian" | "ubuntu", readonly string[]>>;
  /** Whether a program of this version serves for this line. */
  accepts(version: string): boolean;
}

/** All NATS release lines, the newest first. */
export const natsLines: readonly NatsLine[] = [
  {
    version: "2.15",
    urlVariable: "LEASEHOLD_TEST_NATS_URL",
    imageVariable: "LEASEHOLD_TEST_NATS_IMAGE",
    defaultImage: "nats:2.15-alpine",
    // Debian's forky carries 2.15 today and will carry newer ones, which serve as well.
    releases: { debian: ["forky", "sid"], ubuntu: ["devel"] },
    accepts: (version) => minorOf(version) >= 15,
  },
  {
    version: "2.10",
    urlVariable: "LEASEHOLD_TEST_NATS_2_10_URL",
    imageVariable: "LEASEHOLD_TEST_NATS_2_10_IMAGE",
    defaultImage: "nats:2.10.27-alpine",
    releases: { debian: ["trixie"], ubuntu: ["noble"] },
    accepts: (version) => minorOf(version) === 10,
  },
  {
    version: "2.9",
    urlVariable: "LEASEHOLD_TEST_NATS_2_9_URL",
    imageVariable: "LEASEHOLD_TEST_NATS_2_9_IMAGE",
    defaultImage: "nats:2.9.10-alpine",
    // No Ubuntu release that is still served has a 2.9.
    releases: { debian: ["bookworm"], ubuntu: [] },
    accepts: (version) => minorOf(version) === 9 && Number(version.split(".")[2]) < 21,
  },
];

/** The line of one version. */
export function natsLine(version: NatsVersion): NatsLine {
  const line = natsLines.find((candidate) => candidate.version === version);
  if (line === undefined) throw new Error(`unknown NATS version ${JSON.stringify(version)}`);
  return line;
}

/** URL of a running server given by the environment, or null. */
export function natsUrl(version: NatsVersion): string | null {
  return process.env[natsLine(version).urlVariable] || null;
}

/** Container image for one NATS line. */
export function natsImage(version: NatsVersion): string {
  const line = natsLine(version);
  return process.env[line.imageVariable] || line.defaultImage;
}

/** URL of a running DynamoDB Local given by the environment, or null. */
export function dynamodbUrl(): string | null {
  return process.env.LEASEHOLD_TEST_DYNAMODB_URL || null;
}

/** Container image for DynamoDB Local. */
export function dynamodbImage(): string {
  return process.env.LEASEHOLD_TEST_DYNAMODB_IMAGE || "amazon/dynamodb-local:latest";
}

/** Folder that provisioning fills with programs: `LEASEHOLD_TEST_CACHE`, else `.cache/test-servers`. */
export function cacheFolder(): string {
  const given = process.env.LEASEHOLD_TEST_CACHE;
  return given ? resolve(given) : join(import.meta.dirname, "../../.cache/test-servers");
}

/** `LEASEHOLD_TEST_CONTAINERS`: `1` demands containers, `0` rules them out, else they are used if they work. */
export function containerChoice(): "demanded" | "never" | "automatic" {
  const value = process.env.LEASEHOLD_TEST_CONTAINERS;
  if (value === "1") return "demanded";
  if (value === "0") return "never";
  if (!value) return "automatic";
  throw new Error(`LEASEHOLD_TEST_CONTAINERS must be 1 (containers only) or 0 (none), got ${value}`);
}

function minorOf(version: string): number {
  const [major, minor] = version.split(".");
  return major === "2" ? Number(minor) : Number.NaN;
}
