/// <reference lib="esnext.disposable" preserve="true" />
/** The public interface of `@synap/client`. Everything else is internal. */
export type { BatchCommand, BatchOptions, BatchResult, BatchResults } from "./batch.ts";
export { connect, SynapClient } from "./client.ts";
export type { CallOptions, ReadOptions } from "./commander.ts";
export type { Admin, CommandDescription, SlowLog, Tokens } from "./commands/admin.ts";
export type { Key } from "./commands/key.ts";
export type { BoundedSum, CounterOptions, KeyState, KeyValue, Kv } from "./commands/kv.ts";
export type { PubSub } from "./commands/pubsub.ts";
export type {
  ConsumeOptions,
  DeadLetters,
  MessageReference,
  NewMessage,
  Queue,
  QueueConfig,
} from "./commands/queue.ts";
export type { NewEvent, RoomPage, Stream } from "./commands/stream.ts";
export type { Transaction } from "./commands/transaction.ts";
export type { ErrorContext } from "./errors.ts";
export {
  CannotEncodeError,
  ClientClosedError,
  CommandTimeoutError,
  ConnectionFailedError,
  ConnectionLostError,
  ForbiddenError,
  InternalError,
  InvalidCommandError,
  InvalidPayloadError,
  InvalidRequestError,
  KeyNotFoundError,
  MemoryLimitError,
  MessageNotFoundError,
  NotANumberError,
  NotAnIntegerError,
  OffsetTrimmedError,
  OverflowError,
  PayloadTooLargeError,
  ProtocolError,
  QueueExistsError,
  QueueFullError,
  QueueNotFoundError,
  RateLimitError,
  ReadOnlyReplicaError,
  RoomExistsError,
  RoomNotFoundError,
  SchemaMismatchError,
  ServerError,
  ServiceUnavailableError,
  StaleDeliveryError,
  SynapError,
  TooManyCommandsError,
  UnauthorizedError,
  UnsupportedMediaTypeError,
  WrongTypeError,
} from "./errors.ts";
export type { CommandMap, CommandName } from "./generated/command-map.ts";
export type * from "./generated/shapes.ts";
export type { ClientOptions, ReadFrom, SynapClientOptions } from "./options.ts";
export type { LoadOptions } from "./read-through.ts";
export type { SchemaResult, StandardSchema } from "./standard-schema.ts";
export type { Delivery, QueueMessage, QueueSubscribeOptions } from "./subscriptions/delivery.ts";
export type { LossyOptions, Resubscribed } from "./subscriptions/lossy-reader.ts";
export type { RoomEvent, RoomGap, RoomSubscribeOptions } from "./subscriptions/room.ts";
export type { Subscription, SubscriptionOptions } from "./subscriptions/subscription.ts";
export type { TopicMessage, TopicOptions } from "./subscriptions/topics.ts";
export type { KeyChange, WatchedChange, WatchOptions } from "./subscriptions/watch.ts";
export type { BackoffOptions } from "./transport/backoff.ts";
export type { ConnectionEvents } from "./transport/router.ts";
export type { Handler, Retry, Worker, WorkerEvents, WorkerOptions, WorkerStats } from "./worker.ts";
