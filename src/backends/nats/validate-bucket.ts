import { StoreMisconfiguredError } from "../../core/errors.ts";
import {
  headerBytesMax,
  type NatsBucketOptions,
  type StreamConfig,
  type StreamInfo,
} from "./bucket-config.ts";
import { copyFindings, isCopy, subjectPrefixOf } from "./copied-bucket.ts";

/** Room for a full roster: what every backend takes. */
export const valueBytesMin = 131_072;

interface Finding {
  readonly found: string;
  readonly expected: string;
  readonly why: string;
  /** Flags of `nats stream edit`, or undefined where only a new bucket helps. */
  readonly mend?: string;
}

/**
 * Refuses a bucket whose settings would break a guarantee.
 *
 * @throws StoreMisconfiguredError with everything that is wrong, why it matters and how to mend it.
 */
export function validateBucket(info: StreamInfo, options: NatsBucketOptions, maxPayload: number): void {
  const { config } = info;
  const findings = [
    ...contentFindings(config),
    ...sourceFindings(config, options),
    ...sizeFindings(config, maxPayload, options),
    ...optionFindings(config, options),
    ...sequenceFindings(info),
  ];
  if (findings.length === 0) return;
  const lines = findings.map(({ found, expected, why, mend }) => {
    const remedy = mend === undefined ? "create a new bucket" : `nats stream edit ${config.name} ${mend}`;
    return `found ${found}, expected ${expected}: ${why}. To mend it: ${remedy}`;
  });
  throw new StoreMisconfiguredError(
    `the stream ${config.name} cannot serve as a leasehold bucket. ${lines.join(". ")}`,
  );
}

/** What could remove, keep or refuse records against the contract. */
function* contentFindings(config: StreamConfig): Generator<Finding> {
  const { max_msgs_per_subject: history, max_age: age = 0, retention, discard } = config;
  if (history !== 1) {
    yield {
      found: `max_msgs_per_subject ${history}`,
      expected: "1",
      why: "with a longer history, the expiry or removal of a record would bring an older one back to life",
      mend: "--max-msgs-per-subject=1",
    };
  }
  if (age > 0) {
    yield {
      found: `max_age ${age / 1e9} s`,
      expected: "0",
      why: "a time to live of the whole bucket would remove locks that are held and fences that must last",
      mend: "--max-age=0s",
    };
  }
  if (retention !== "limits") {
    yield {
      found: `retention ${retention}`,
      expected: "limits",
      why: "consumers would remove records",
    };
  }
  if (discard !== "new" && ((config.max_bytes ?? -1) > 0 || (config.max_msgs ?? -1) > 0)) {
    yield {
      found: `discard ${discard} together with max_bytes or max_msgs`,
      expected: "discard new, or no limit",
      why: "a full bucket would silently drop its oldest records, held locks among them",
      mend: "--discard=new",
    };
  }
  if (config.discard_new_per_subject === true) {
    yield {
      found: "discard_new_per_subject",
      expected: "off",
      why: "no record could ever be replaced",
      mend: "--no-discard-per-subject",
    };
  }
  if (config.persist_mode === "async") {
    yield {
      found: "persist_mode async",
      expected: "default",
      why: "writes would be acknowledged before they are stored, and a killed server would forget them",
    };
  }
}

/** What could put records in from elsewhere, or keep ours out. */
function* sourceFindings(config: StreamConfig, options: NatsBucketOptions): Generator<Finding> {
  const wanted = `${subjectPrefixOf(config.name.slice("KV_".length))}>`;
  const { subjects = [], sources = [] } = config;
  for (const [found, expected, why] of copyFindings(config, options)) yield { found, expected, why };
  if (!isCopy(config) && (subjects.length !== 1 || subjects[0] !== wanted)) {
    yield {
      found: `subjects ${subjects.join(", ") || "(none)"}`,
      expected: wanted,
      why: "records would be stored elsewhere, or mix with messages that are no records",
      mend: `--subjects='${wanted}'`,
    };
  }
  if (!isCopy(config) && sources.length > 0) {
    yield {
      found: "sources",
      expected: "none, or no subjects of its own",
      why: "messages of another stream would replace records without a condition",
    };
  }
  const refusing: readonly [unknown, string][] = [
    [config.no_ack, "no_ack"],
    [config.sealed, "sealed"],
    [config.allow_msg_counter, "allow_msg_counter"],
    [config.subject_transform, "subject_transform"],
  ];
  for (const [value, name] of refusing) {
    if (value === undefined || value === null || value === false) continue;
    yield { found: name, expected: "off", why: "conditional writes would not work" };
  }
}

function* sizeFindings(
  config: StreamConfig,
  maxPayload: number,
  { maxValueBytes = valueBytesMin }: NatsBucketOptions,
): Generator<Finding> {
  const least = maxValueBytes + headerBytesMax;
  const { max_msg_size: messageMax = -1 } = config;
  if (messageMax > 0 && messageMax < least) {
    yield {
      found: `max_msg_size ${messageMax}`,
      expected: `-1 or at least ${least}`,
      why: `records may have ${maxValueBytes} bytes`,
      mend: "--max-msg-size=-1",
    };
  }
  if (maxPayload < least) {
    yield {
      found: `the server's max_payload ${maxPayload}`,
      expected: `at least ${least}`,
      why: `records may have ${maxValueBytes} bytes`,
      mend: "is no help here; raise max_payload in the configuration of the server",
    };
  }
}

/** What the caller asked for and the bucket does not give. */
function* optionFindings(config: StreamConfig, options: NatsBucketOptions): Generator<Finding> {
  const { num_replicas: replicas = 1, storage } = config;
  if (options.replicas !== undefined && replicas < options.replicas) {
    yield {
      found: `${replicas} replicas`,
      expected: `${options.replicas}, as the option replicas says`,
      why: "the bucket would survive fewer failures than asked for",
      mend: `--replicas=${options.replicas}`,
    };
  }
  if (options.storage === "file" && storage !== "file") {
    yield {
      found: `storage ${storage}`,
      expected: "file, as the option storage says",
      why: "the bucket would be gone when its servers restart",
    };
  }
}

function* sequenceFindings({ state }: StreamInfo): Generator<Finding> {
  if (state.last_seq < Number.MAX_SAFE_INTEGER / 2) return;
  yield {
    found: `sequence ${state.last_seq}`,
    expected: "below 2^52",
    why: "larger sequences lose their last digits in JavaScript, and two versions could look the same",
  };
}
