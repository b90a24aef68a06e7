/**
 * Publish/subscribe's structures with 100, 10,000 and 100,000 patterns, of which a fifth have wildcards: what a match, a
 * change and a subscription cost, and how that grows. Then patterns chosen to make a match slow.
 *
 *     node --import tsx server/bench/structures/topics.ts [PATTERNS ...] [--json FILE]
 */
import { SubscriptionLists } from "../../src/structures/subscription-lists.ts";
import { TopicTrie } from "../../src/structures/topic-trie.ts";
import { shuffled } from "./bench-key.ts";
import { median, nanoseconds, printTable, readArguments, writeJson } from "./bench-report.ts";

const ROUNDS = 5;
const MATCHES = 100_000;
const SUBSCRIBERS_PER_TARGET = 10;
const SEED = 20_251_121;

const { numbers, jsonFile } = readArguments();
const sizes = numbers.length > 0 ? numbers : [100, 10_000, 100_000];
let seen = 0;

function topicOf(i: number): string {
  return `plant-${i % 50}.line-${Math.floor(i / 50) % 20}.device-${i}.temperature`;
}

/** Each matches a topic or a few; the last two have to be tried on every topic. */
function patternOf(i: number): string {
  if (i % 5 > 0) return topicOf(i);
  const kind = Math.floor(i / 5) % 4;
  if (kind === 0) return `plant-${i % 50}.line-${Math.floor(i / 50) % 20}.device-${i}.*`;
  if (kind === 1) return `plant-${i % 50}.*.device-${i}.#`;
  if (kind === 2) return `*.*.device-${i}.temperature`;
  return `#.device-${i}.#`;
}

function encode(count: number, textOf: (i: number) => string): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new TextEncoder().encode(textOf(i)));
}

/** The median of some rounds, after one that is not counted. */
function measured(steps: number, run: () => void): number {
  run();
  return median(Array.from({ length: ROUNDS }, () => nanoseconds(steps, run)));
}

/** Milliseconds by the clock on the wall: the longest of all steps, a collection in between counted in. */
function longestMs(count: number, step: (i: number) => void): number {
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    step(i);
    longest = Math.max(longest, performance.now() - start);
  }
  return longest;
}

function trieRow(size: number): Record<string, number> {
  const trie = new TopicTrie({ seed: SEED });
  const patterns = encode(size, patternOf);
  const topics = encode(size, topicOf);
  const order = shuffled(size);
  const ids = new Int32Array(size);
  const addLongestMs = longestMs(size, (i) => {
    ids[i] = trie.add(patterns[i], 0, patterns[i].length);
  });
  const bytes = trie.heldBytes / size;
  let matches = 0;
  for (const topic of topics) matches += trie.match(topic, 0, topic.length);
  const matchNs = measured(MATCHES, () => {
    for (let i = 0; i < MATCHES; i++) {
      const topic = topics[order[i % size]];
      seen += trie.match(topic, 0, topic.length);
    }
  });
  const churnNs = measured(MATCHES, () => {
    for (let i = 0; i < MATCHES; i++) {
      const at = order[i % size];
      trie.remove(ids[at]);
      ids[at] = trie.add(patterns[at], 0, patterns[at].length);
    }
  });
  return {
    size,
    "match ns": matchNs,
    "ids/topic": matches / size,
    "remove+add ns": churnNs,
    "bytes/pattern": bytes,
    "longest add ms": addLongestMs,
  };
}

function listsRow(size: number): Record<string, number> {
  const lists = new SubscriptionLists({ seed: SEED });
  const count = size * SUBSCRIBERS_PER_TARGET;
  const links = new Int32Array(count);
  const order = shuffled(count);
  const add = (i: number): void => {
    links[i] = lists.add(i % size, Math.floor(i / SUBSCRIBERS_PER_TARGET));
  };
  const addLongestMs = longestMs(count, add);
  const visit = (subscriber: number): void => {
    seen += subscriber;
  };
  const visitNs = measured(MATCHES * SUBSCRIBERS_PER_TARGET, () => {
    for (let i = 0; i < MATCHES; i++) lists.visitSubscribers(order[i % count] % size, visit);
  });
  const churnNs = measured(MATCHES, () => {
    for (let i = 0; i < MATCHES; i++) {
      const at = order[i % count];
      lists.remove(links[at]);
      add(at);
    }
  });
  return {
    size: count,
    "visit ns": visitNs,
    "remove+add ns": churnNs,
    "bytes/link": lists.heldBytes / count,
    "longest add ms": addLongestMs,
  };
}

/**
 * Every choice of `a` and `*` for some levels, so that all of them are followed; nothing matches. After a `#` they are
 * followed from every level of the topic.
 */
function hostileRow(size: number, before: string, after: string): Record<string, number> {
  const trie = new TopicTrie({ seed: SEED });
  const width = Math.ceil(Math.log2(size));
  const patterns = encode(size, (i) => {
    const levels = Array.from({ length: width }, (_, bit) => ((i >> bit) % 2 === 0 ? "a" : "*"));
    return `${before}${levels.join(".")}${after}`;
  });
  for (const pattern of patterns) trie.add(pattern, 0, pattern.length);
  const [topic] = encode(1, () => Array.from({ length: 32 }, () => "a").join("."));
  trie.add(topic, 0, topic.length);
  const matches = Math.max(2, Math.floor(20_000 / size));
  const matchNs = measured(matches, () => {
    for (let i = 0; i < matches; i++) seen += trie.match(topic, 0, topic.length);
  });
  return { size, "match us": matchNs / 1000, "ns/pattern": matchNs / size };
}

const trieRows = sizes.map(trieRow);
const listsRows = sizes.map(listsRow);
const starRows = sizes.map((size) => hostileRow(size, "", ".z"));
const manyRows = sizes.map((size) => hostileRow(size, "#.a.#.", ".#.z"));
const notes = `processor time, medians of ${ROUNDS} rounds; longest steps by the clock`;
printTable(`Topic trie by patterns, a fifth with wildcards; topics of 4 levels; ${notes}`, trieRows);
printTable(`Subscription lists by links, ${SUBSCRIBERS_PER_TARGET} for a target`, listsRows);
printTable("A topic of 32 levels against patterns chosen to be slow, of a and *", starRows);
printTable("The same with three #", manyRows);
if (seen === 0) throw new Error("nothing was seen");
writeJson(jsonFile, "topics", { trie: trieRows, lists: listsRows, star: starRows, many: manyRows });
