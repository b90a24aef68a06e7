/**
 * What clients know of messages: what they were told is in a queue, what they were given and until when, and what they have
 * given back. From it follows what must be there in the end, and that nobody held a message that another held too.
 */
import type { ClientConnection } from "./client-connection.ts";
import type { ClientRequest } from "./client-request.ts";
import { Finding } from "./finding.ts";
import { TOKEN, type WrittenEpoch } from "./log-history.ts";

interface Delivery {
  readonly messageId: number;
  readonly deliveryId: number;
  readonly connection: ClientConnection;
  /** By the clock of the master that delivered it. */
  readonly deliveredAtMs: number;
  readonly isPush: boolean;
  deadlineMs: number;
  /** Its consumer has let go of it, or may have. */
  mayHaveEnded: boolean;
}

/** As the wire contract has it. */
export interface DeliveredMessage {
  readonly id: number;
  readonly delivery_id: number;
  readonly payload: string;
  readonly deadline_at_ms: number;
}

export class MessageAccount {
  /** Tokens of messages whose publish was answered. */
  readonly published = new Set<string>();
  /** Those whose acknowledgement was sent: the message may be gone. */
  readonly #ackSent = new Set<string>();
  /** Those whose acknowledgement was answered: the message is gone. */
  readonly #acknowledged = new Set<string>();
  readonly #tokens = new Map<number, string>();
  readonly #byMessage = new Map<number, Delivery[]>();
  readonly #byId = new Map<number, Delivery>();

  /** @param path the log of the node that has delivered it. */
  delivered(
    message: DeliveredMessage,
    connection: ClientConnection,
    path: readonly WrittenEpoch[],
    isPush: boolean,
  ): void {
    const { id: messageId, delivery_id: deliveryId, deadline_at_ms: deadlineMs } = message;
    const record = path.map((epoch) => epoch.at(deliveryId)).find((found) => found !== undefined);
    if (record === undefined || deliveryId <= messageId) {
      throw new Finding("delivery id", `delivery ${deliveryId} of message ${messageId} is no operation behind it`);
    }
    if (this.#byId.has(deliveryId)) {
      throw new Finding("delivery id", `delivery ${deliveryId} of message ${messageId} was given out before`);
    }
    this.#tokens.set(messageId, tokenOf(message.payload));
    const deliveredAtMs = record.atMs;
    const delivery: Delivery = {
      messageId,
      deliveryId,
      connection,
      deliveredAtMs,
      isPush,
      deadlineMs,
      mayHaveEnded: !connection.isOpen && isPush,
    };
    this.#byId.set(deliveryId, delivery);
    const others = this.#byMessage.get(messageId) ?? [];
    for (const earlier of others) this.#checkApart(earlier, delivery, path);
    this.#byMessage.set(messageId, [...others, delivery]);
  }

  /** @param path the log of the node that gave out `given`; `earlier` may be another node's. */
  #checkApart(earlier: Delivery, given: Delivery, path: readonly WrittenEpoch[]): void {
    const [first, second] = earlier.deliveryId < given.deliveryId ? [earlier, given] : [given, earlier];
    if (first.mayHaveEnded || second.deliveredAtMs >= first.deadlineMs) return;
    // What a promotion has left behind never happened for the new master, whichever of the two has the larger offset.
    const isKnown = path.some(
      (epoch, i) =>
        epoch.at(earlier.deliveryId) !== undefined &&
        // A power failure can take a whole epoch, where the policy allows it, and the end of the one before.
        path.slice(i + 1).every(({ previousEnd }) => earlier.deliveryId <= previousEnd),
    );
    if (!isKnown) return;
    throw new Finding(
      "message held twice",
      `message ${first.messageId} was delivered (${first.deliveryId}) until ${first.deadlineMs}, ` +
        `and again (${second.deliveryId}) at ${second.deliveredAtMs}`,
    );
  }

  /** A client settles a message: from here on it may be another's. */
  sent({ command, payload }: ClientRequest): void {
    if (command !== "queue.ack" && command !== "queue.nack") return;
    const delivery = this.#byId.get(Number(payload.delivery_id));
    if (delivery !== undefined) delivery.mayHaveEnded = true;
  }

  /** A client is about to acknowledge the message with this token. */
  ackSent(token: string): void {
    this.#ackSent.add(token);
  }

  /** An acknowledgement was answered. */
  acknowledgedId(messageId: number): void {
    const token = this.#tokens.get(messageId);
    if (token !== undefined) this.#acknowledged.add(token);
  }

  extended({ payload }: ClientRequest, deadlineMs: number): void {
    const delivery = this.#byId.get(Number(payload.delivery_id));
    if (delivery !== undefined) delivery.deadlineMs = deadlineMs;
  }

  /** What a subscription pushed is given back when its connection closes. */
  closed(connection: ClientConnection): void {
    for (const delivery of this.#byId.values()) {
      if (delivery.isPush && delivery.connection === connection) delivery.mayHaveEnded = true;
    }
  }

  checkEnd(found: ReadonlyMap<string, number>, knowledge: EndKnowledge): void {
    for (const [token, count] of found) {
      if (count > 1) throw new Finding("message held twice", `message ${token} is there ${count} times in the end`);
      if (this.#acknowledged.has(token) && !knowledge.mayReturn) {
        throw new Finding("acknowledged write lost", `message ${token} was acknowledged and is there in the end`);
      }
    }
    for (const token of this.published) {
      if (found.has(token) || this.#ackSent.has(token)) continue;
      if (!knowledge.isInLog(token) && knowledge.isLeftBehind(token)) continue;
      throw new Finding("message lost", `message ${token} was published, never acknowledged, and is gone`);
    }
  }
}

/** What is known in the end of the log of the master. */
export interface EndKnowledge {
  isInLog(token: string): boolean;
  /** It was written to a log, and a promotion, or a policy that allows it, has left that behind. */
  isLeftBehind(token: string): boolean;
  /** Anything at all was left behind, acknowledgements among it. */
  readonly mayReturn: boolean;
}

export function tokenOf(text: string): string {
  return text.match(TOKEN)?.[0] ?? "";
}
