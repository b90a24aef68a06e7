/** Commands as a client of Redis says them: lists of words, by the names of server/docs/redis.md. */

/** A command's payload; only what workloads ask for is looked at. */
type Payload = Readonly<Record<string, unknown>>;

const WORDS: Readonly<Record<string, (payload: Payload) => readonly unknown[]>> = {
  "kv.get": ({ key }) => ["GET", key],
  "kv.set": ({ key, value, ttl_ms }) => ["SET", key, value, ...(ttl_ms === undefined ? [] : ["PX", ttl_ms])],
  "kv.incr": ({ key }) => ["INCR", key],
  "queue.publish": ({ queue, payload, priority }) => ["QPUBLISH", queue, payload, "PRIORITY", priority],
  "queue.consume": ({ queue, ack_deadline }) => ["QCONSUME", queue, "DEADLINE", ack_deadline],
  "queue.ack": ({ queue, message_id, delivery_id }) => ["QACK", queue, message_id, "DELIVERY", delivery_id],
  "stream.publish": ({ room, event, data }) => ["SPUBLISH", room, event, data],
  "pubsub.publish": ({ topic, payload }) => ["PUBLISH", topic, payload],
};

/** @throws for a command that no workload of RESP has */
export function respRequest(command: string, payload: object): Buffer {
  // Every payload is an object of named fields.
  const words = WORDS[command]?.(payload as Payload);
  if (words === undefined) throw new Error(`${command} has no place in a workload of RESP`);
  return respArray(words.map(String));
}

export function respArray(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join("")}`);
}
