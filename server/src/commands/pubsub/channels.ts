/** Commands that tell of channels of Redis clients and topics alike: pubsub.channels, pubsub.numsub. They tell of this node. */
import { CHANNEL_BYTES_MAX, CHANNEL_GLOB_BYTES_MAX } from "../../fanout/channels.ts";
import { byteName } from "../../structures/byte-name.ts";
import { type ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { Glob } from "../../structures/glob.ts";
import { topicProblem } from "../../structures/topic-problem.ts";
import { globOf, matching, named } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { MatchBudget } from "../match-budget.ts";
import { Bytes, Integer, Items, List, Optional, Struct } from "../schema.ts";

const CHANNELS_PER_COMMAND_MAX = 1000;
const TOO_MANY_FOUND = "there are more channels than one reply may have: give a pattern";
const TOO_MANY_TO_MATCH =
  "there are too many channels to hold each against this pattern: use pubsub.topics, which answers page by page, or pubsub.numsub";
/** Topics looked at in one go. */
const PAGE_TOPICS = 1000;

const channel = () => Bytes({ maxBytes: CHANNEL_BYTES_MAX });

export const pubsubChannels = readCommand({
  name: "pubsub.channels",
  access: "read",
  guard: matching(globOf("pattern")),
  shows: "nothing",
  summary: "Lists the channels and topics that have subscribers, without patterns.",
  atomic: false,
  arguments: Struct({
    pattern: Optional(Bytes({ maxBytes: CHANNEL_GLOB_BYTES_MAX, description: "Only those that match this glob." })),
  }),
  reply: Struct({ channels: Items(channel()) }),
  read({ pattern }, { fanout, limits }) {
    const glob = pattern === undefined ? undefined : new Glob(pattern);
    const found = new Map<string, ByteRange>();
    const budget = new MatchBudget(limits.keysReplyMax);
    let refusal: string | undefined;
    const visit = (name: ByteRange): boolean => {
      if (glob !== undefined && !budget.take(name.length, glob.words)) refusal = TOO_MANY_TO_MATCH;
      else if (glob === undefined || glob.matches(name)) found.set(byteName(name), name);
      if (found.size > limits.keysReplyMax) refusal = TOO_MANY_FOUND;
      return refusal === undefined;
    };
    fanout.channels.visitNames(visit);
    for (let after = 0; refusal === undefined; ) {
      const { topics, next } = fanout.topics.page(after, PAGE_TOPICS);
      for (const topic of topics.map(rangeOf)) if (isTopic(topic) && !visit(topic)) break;
      if (next === 0) break;
      after = next;
    }
    if (refusal !== undefined) return fail("PAYLOAD_TOO_LARGE", refusal, { limit: limits.keysReplyMax });
    return { channels: [...found.values()] };
  },
});

export const pubsubNumsub = readCommand({
  name: "pubsub.numsub",
  access: "read",
  guard: named("channels"),
  shows: "nothing",
  summary: "Counts the subscribers of each of some channels or topics, without those of patterns that match.",
  atomic: false,
  arguments: Struct({ channels: List(channel(), { minItems: 0, maxItems: CHANNELS_PER_COMMAND_MAX }) }),
  reply: Struct({ channels: Items(Struct({ channel: channel(), subscribers: Integer() })) }),
  read({ channels }, { fanout }) {
    return {
      channels: channels.map((each) => ({
        channel: each,
        subscribers:
          fanout.channels.subscriberCount(each) + (isTopic(each) ? fanout.topics.info(each).subscriberCount : 0),
      })),
    };
  },
});

function isTopic({ bytes, start, end }: ByteRange): boolean {
  return topicProblem(bytes, start, end) === undefined;
}
