/** Remembered replies as a plain list, the oldest first: what the store must agree with. */
export interface ModelReply {
  readonly position: number;
  readonly id: string;
  readonly hash: string;
  readonly format: number;
  readonly reply: string;
  readonly expiresAtMs: number;
}

export class ReplyModel {
  replies: ModelReply[] = [];

  remember(reply: ModelReply, dropCount: number): void {
    this.forget(dropCount);
    this.replies.push(reply);
  }

  forget(count: number): void {
    this.replies = this.replies.slice(count);
  }

  find(id: string, nowMs: number): ModelReply | undefined {
    const newest = this.replies.findLast((reply) => reply.id === id);
    return newest !== undefined && newest.expiresAtMs > nowMs ? newest : undefined;
  }

  /** As `ReplyStore#dump` has it. */
  dump(): string[] {
    return this.replies.map(
      ({ position, id, hash, format, reply, expiresAtMs }) =>
        `reply ${position} id ${hex(id)} hash ${hex(hash)} until ${expiresAtMs} ${format} ${hex(reply)}`,
    );
  }
}

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}
