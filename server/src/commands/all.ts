/** Every command the server has, in the order the docs list them. A new command is added here and nowhere else. */
import { adminClients, adminCommands, adminConfig, adminInfo } from "./admin/node.ts";
import { adminSlowlogGet, adminSlowlogReset } from "./admin/slow-log.ts";
import type { Command } from "./command.ts";
import { keyCopy, keyExists, keyRandomkey, keyRename, keyRenamenx, keyType } from "./key/key.ts";
import { kvCas } from "./kv/compare-and-set.ts";
import { kvDecr, kvIncr } from "./kv/counter.ts";
import { kvExpire, kvPersist, kvTtl } from "./kv/expiry.ts";
import { kvExists, kvGet, kvGetrange, kvMget, kvStrlen } from "./kv/get.ts";
import { kvDel, kvFlushall, kvFlushdb, kvMdel } from "./kv/remove.ts";
import { kvDbsize, kvKeys, kvScan } from "./kv/scan.ts";
import { kvGetset, kvMset, kvMsetnx, kvSet } from "./kv/set.ts";
import { kvStats } from "./kv/stats.ts";
import { kvAppend, kvSetrange } from "./kv/text.ts";

export const allCommands: readonly Command[] = [
  kvSet,
  kvGet,
  kvDel,
  kvExists,
  kvIncr,
  kvDecr,
  kvMset,
  kvMsetnx,
  kvMget,
  kvMdel,
  kvCas,
  kvGetset,
  kvGetrange,
  kvAppend,
  kvSetrange,
  kvStrlen,
  kvExpire,
  kvTtl,
  kvPersist,
  kvScan,
  kvKeys,
  kvDbsize,
  kvFlushdb,
  kvFlushall,
  kvStats,
  keyType,
  keyExists,
  keyRename,
  keyRenamenx,
  keyCopy,
  keyRandomkey,
  adminInfo,
  adminConfig,
  adminClients,
  adminSlowlogGet,
  adminSlowlogReset,
  adminCommands,
];
