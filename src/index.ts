export type {
  Administration,
  AdministrationOptions,
  InspectOptions,
  ListOptions,
} from "./administration/administration.ts";
export type { Barrier, BarrierEnterOptions, BarrierStay } from "./barriers/barrier.ts";
export type { CountDownOptions, Latch } from "./barriers/latch.ts";
export type { BarrierWaitOptions } from "./barriers/wait-options.ts";
export type { Codec } from "./codecs/codec.ts";
export type { CompressionAlgorithm, CompressionOptions } from "./codecs/compression.ts";
export { type JsonCodecOptions, jsonCodec } from "./codecs/json-codec.ts";
export { bytesCodec, textCodec } from "./codecs/plain-codecs.ts";
export { schemaCodec } from "./codecs/schema-codec.ts";
export type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from "./codecs/standard-schema.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export { type Coordinator, type CoordinatorOptions, createCoordinator } from "./coordinator.ts";
export type {
  AddOperation,
  Backend,
  Capabilities,
  ChangeHint,
  CommitOptions,
  CommitResult,
  Conflict,
  Expectation,
  Operation,
  RequestOptions,
  ScanPage,
  StoredRecord,
  StoreTime,
  Unsubscribe,
  Version,
} from "./core/backend.ts";
export type { Duration } from "./core/durations.ts";
export {
  AbortedError,
  AcquireTimeoutError,
  ClosedError,
  ConditionFailedError,
  ContentionError,
  CorruptRecordError,
  CorruptStoreError,
  type ErrorCode,
  FenceRejectedError,
  FingerprintMismatchError,
  InProgressError,
  InvalidArgumentError,
  LeaseholdError,
  LeaseLostError,
  LimitExceededError,
  LimitMismatchError,
  MissingDependencyError,
  OutcomeUnknownError,
  OutOfBoundsError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
} from "./core/errors.ts";
export type { CoordinatorEvent, CoordinatorEvents, EventSubject, HoldWrapper } from "./core/events.ts";
export type { Fenced } from "./core/fence.ts";
export { InvalidValueError, type ValueIssue } from "./core/invalid-value-error.ts";
export type { Json } from "./core/json.ts";
export type { CancelTimer, Runtime, TimerOptions } from "./core/runtime.ts";
export type { Counter, CounterCallOptions, CounterReading } from "./counters/counter.ts";
export type { BigintCounterOptions, CounterOptions } from "./counters/counter-options.ts";
export type { CampaignOptions, LeadOptions } from "./elections/campaign-options.ts";
export type { Election, ElectionOptions, ObserveOptions } from "./elections/election.ts";
export type { Leader } from "./elections/leader.ts";
export type { Leadership, Resignation, ResignOptions } from "./elections/leadership.ts";
export { createFenceGuard, type FenceGuard } from "./fencing/fence-guard.ts";
export {
  type FencedUpdate,
  type FencedUpdateOptions,
  type FencedUpdateOutcome,
  fencedUpdate,
} from "./fencing/fenced-update.ts";
export {
  type SqlFragment,
  type SqlPlaceholders,
  type SqlStatement,
  sqlFragment,
} from "./fencing/sql-text.ts";
export type {
  Group,
  GroupOptions,
  JoinGroupOptions,
  ObserveGroupOptions,
} from "./groups/group.ts";
export type { Member } from "./groups/member.ts";
export type { OwnedPartition, Partitions, RunPartitionsOptions } from "./groups/partitions.ts";
export type { Change, PastEntry, Removal, Reset, WatchOptions } from "./kv/change.ts";
export {
  type BatchResult,
  type Conditions,
  type Deleted,
  type DeleteOptions,
  type Entry,
  type IncrementOptions,
  type Leave,
  type LifeOptions,
  leave,
  type NewEntry,
  type SetOptions,
  type Updated,
  type UpdateOptions,
  type WriteOptions,
  type Written,
} from "./kv/entry.ts";
export type {
  KeyValue,
  KeyValueCodecOptions,
  KeyValueOptions,
  KeyValueSchemaOptions,
  KeyValueStatus,
  NestedKeyValueOptions,
} from "./kv/key-value.ts";
export type { Listing, ListingOptions, Page } from "./kv/listing.ts";
export type { CalendarUnit } from "./limiters/calendar.ts";
export type {
  ConcurrencyDecision,
  ConcurrencyLimiter,
  ConcurrencyLimiterOptions,
} from "./limiters/concurrency-limiter.ts";
export type { RateLimiterOptions } from "./limiters/create-rate-limiter.ts";
export type { Decision, PolicyStanding } from "./limiters/decision.ts";
export type { CalendarPolicy, Policy, ResolvedPolicy, WindowPolicy } from "./limiters/policy.ts";
export type { RateLimiter, Reservation, ReserveOptions, TakeOptions } from "./limiters/rate-limiter.ts";
export type { MultiGrant } from "./locks/joint-grant.ts";
export type { Lock, LockOptions } from "./locks/lock.ts";
export type { MultiLock } from "./locks/multi-lock.ts";
export type {
  ReadWriteLock,
  ReadWriteMode,
  ReadWriteSide,
  UpgradeableGrant,
  UpgradeOptions,
  WriteGrant,
} from "./locks/read-write-lock.ts";
export type { Semaphore, SemaphoreAcquireOptions, SemaphoreOptions } from "./locks/semaphore.ts";
export type { OnceOptions, OnceRun, OnceWork } from "./once/once.ts";
export type { AcquireOptions, TryAcquireOptions } from "./roster/acquirer.ts";
export type { Grant, GrantState } from "./roster/grant.ts";
export type { GrantChange, GrantListener } from "./roster/grant-events.ts";
export type { ForcedRelease, InspectedHolder, Inspection, Participant } from "./roster/inspection.ts";
export type { Intervention, InterventionOptions } from "./roster/intervention.ts";
export type { RosterKind } from "./roster/roster-host.ts";
export type { LastRun, Schedule, SlotGrant, SlotOutcome } from "./schedules/schedule.ts";
export type { ScheduleOptions } from "./schedules/schedule-options.ts";
export type { SlotRefusal, SlotRunOptions } from "./schedules/slot-beginner.ts";
export type { SlotState } from "./schedules/slot-note.ts";
export type { IdGenerator, NextIdOptions } from "./sequences/id-generator.ts";
export type { IdParts } from "./sequences/id-layout.ts";
export type {
  GapFreeSequence,
  IssueContext,
  IssueOptions,
  NextOptions,
  Sequence,
  SequenceOptions,
} from "./sequences/sequence.ts";
export type { WorkerId, WorkerIds, WorkerIdsOptions } from "./sequences/worker-ids.ts";
export type { ClientDescription } from "./sessions/session-record.ts";
export type {
  Isolation,
  Transaction,
  TransactionKeyValue,
  TransactionOptions,
} from "./transactions/transaction.ts";
export type {
  LockManager,
  LockManagerSnapshot,
  WebLock,
  WebLockInfo,
  WebLockMode,
  WebLockOptions,
} from "./web-locks/lock-manager.ts";
