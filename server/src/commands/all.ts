/** Every command the server has, in the order the docs list them. A new command is added here and nowhere else. */
import { adminClients, adminCommands, adminConfig, adminConfigSet, adminInfo } from "./admin/node.ts";
import { adminPromote, adminWait } from "./admin/replication.ts";
import { adminSlowlogGet, adminSlowlogReset } from "./admin/slow-log.ts";
import { adminSnapshot } from "./admin/snapshot.ts";
import { adminTokensCreate, adminTokensList, adminTokensRevoke } from "./admin/tokens.ts";
import { auth } from "./auth.ts";
import type { Command } from "./command.ts";
import { keyCopy, keyExists, keyRandomkey, keyRename, keyRenamenx, keyType } from "./key/key.ts";
import { keyObject } from "./key/object.ts";
import { kvCas } from "./kv/compare-and-set.ts";
import { kvDecr, kvIncr } from "./kv/counter.ts";
import { kvExpire, kvExpiretime, kvGetex, kvPersist, kvTime, kvTtl } from "./kv/expiry.ts";
import { kvIncrbyfloat } from "./kv/float-counter.ts";
import { kvExists, kvGet, kvGetrange, kvMget, kvStrlen, kvTouch } from "./kv/get.ts";
import { kvDel, kvFlushall, kvFlushdb, kvGetdel, kvMdel } from "./kv/remove.ts";
import { kvDbsize, kvKeys, kvScan } from "./kv/scan.ts";
import { kvGetset, kvMset, kvMsetnx, kvSet } from "./kv/set.ts";
import { kvStats } from "./kv/stats.ts";
import { kvAppend, kvSetrange } from "./kv/text.ts";
import { kvUnwatch, kvWatch } from "./kv/watch.ts";
import { pubsubChannels, pubsubNumsub } from "./pubsub/channels.ts";
import { pubsubPublish } from "./pubsub/publish.ts";
import { pubsubSubscribe, pubsubUnsubscribe } from "./pubsub/subscribe.ts";
import { pubsubInfo, pubsubStats, pubsubTopics } from "./pubsub/topics.ts";
import { queueAck, queueExtend, queueNack } from "./queue/acknowledge.ts";
import { queueConsume, queuePeek } from "./queue/consume.ts";
import { queueDeadList, queueDeadPurge, queueDeadRetry } from "./queue/dead-letters.ts";
import { queuePublish, queuePublishBatch } from "./queue/publish.ts";
import { queueCreate, queueDelete, queueList, queuePurge, queueStats } from "./queue/queue.ts";
import { queueSubscribe, queueUnsubscribe } from "./queue/subscribe.ts";
import { streamConsume, streamHistory } from "./stream/consume.ts";
import { streamCreate, streamDelete, streamGetOrCreate } from "./stream/create.ts";
import { streamList, streamStats } from "./stream/list.ts";
import { streamPublish, streamPublishBatch } from "./stream/publish.ts";
import { streamSubscribe, streamUnsubscribe } from "./stream/subscribe.ts";
import {
  transactionDiscard,
  transactionExec,
  transactionMulti,
  transactionUnwatch,
  transactionWatch,
} from "./transaction/transaction.ts";

export const allCommands: readonly Command[] = [
  kvSet,
  kvGet,
  kvDel,
  kvExists,
  kvIncr,
  kvDecr,
  kvIncrbyfloat,
  kvMset,
  kvMsetnx,
  kvMget,
  kvMdel,
  kvCas,
  kvGetset,
  kvGetdel,
  kvGetex,
  kvGetrange,
  kvAppend,
  kvSetrange,
  kvStrlen,
  kvTouch,
  kvExpire,
  kvTtl,
  kvExpiretime,
  kvTime,
  kvPersist,
  kvScan,
  kvKeys,
  kvDbsize,
  kvFlushdb,
  kvFlushall,
  kvStats,
  kvWatch,
  kvUnwatch,
  keyType,
  keyExists,
  keyRename,
  keyRenamenx,
  keyCopy,
  keyRandomkey,
  keyObject,
  queueCreate,
  queuePublish,
  queuePublishBatch,
  queueConsume,
  queueAck,
  queueNack,
  queueExtend,
  queuePeek,
  queueStats,
  queueList,
  queuePurge,
  queueDelete,
  queueDeadList,
  queueDeadRetry,
  queueDeadPurge,
  queueSubscribe,
  queueUnsubscribe,
  streamCreate,
  streamGetOrCreate,
  streamPublish,
  streamPublishBatch,
  streamConsume,
  streamHistory,
  streamSubscribe,
  streamUnsubscribe,
  streamList,
  streamDelete,
  streamStats,
  pubsubPublish,
  pubsubSubscribe,
  pubsubUnsubscribe,
  pubsubTopics,
  pubsubInfo,
  pubsubStats,
  pubsubChannels,
  pubsubNumsub,
  transactionMulti,
  transactionExec,
  transactionDiscard,
  transactionWatch,
  transactionUnwatch,
  adminInfo,
  adminConfig,
  adminConfigSet,
  adminClients,
  adminSnapshot,
  adminPromote,
  adminWait,
  adminSlowlogGet,
  adminSlowlogReset,
  adminTokensCreate,
  adminTokensList,
  adminTokensRevoke,
  adminCommands,
  auth,
];
