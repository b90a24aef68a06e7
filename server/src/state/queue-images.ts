/**
 * The queues' part of a snapshot: for each queue, in the order of their ids, its image, its dedup ids, and its messages lane
 * by lane in their order (queue-image-format.ts).
 *
 *     queue ids   3          8                           11          20
 *                 all of it  its image, dedup ids up to  its image,  newer than S
 *                 written    the bookmark, messages up   because a
 *                            to a place in a lane        message of it changed
 *
 * A message has no version, so it is marked when it was written (queue-marks.ts). Every change of a message begins with
 * `beforeMessage`, which writes it if it is not marked and not newer than S. So a message without a mark is in the lane and
 * at the place it was in at S, and a walk through the lanes comes to each of them once: it goes on behind the key (message
 * id or turn) that it was at last, and keys above S are newer.
 *
 * Dedup ids never change and go in the order in which they came, so a queue's are written from the front: those that are
 * forgotten before the walker comes to the queue, then the rest. The place in the list is a reference, the `bookmark`, which
 * QueueDuplicates corrects when it moves an id.
 *
 * A lane that is purged and the dedup ids of a queue that is deleted exist no longer but were there at S: they are owed. The
 * walker writes what is owed before it walks on, and `freeDetached`, where it is faster, shows each before it frees it. So
 * nothing is kept from being freed. What was detached before S is not owed and not written.
 *
 * Creating it costs O(1). A step is bounded by its budget and one image more. A change costs the images of what it changes,
 * and that of its queue, of some 250 bytes, if it is the first.
 */
import type { ImageWriter, StoreImages } from "./image.ts";
import { LANE_COUNT, type Lane, type Queue } from "./queue.ts";
import type { QueueDuplicates } from "./queue-duplicates.ts";
import { writeDedupIdImage, writeMessageImage, writeQueueImage } from "./queue-image-format.ts";
import type { QueueMessages } from "./queue-messages.ts";
import type { QueueObserver } from "./queue-observer.ts";
import type { QueueStore } from "./queue-store.ts";

export class QueueImages implements StoreImages, QueueObserver {
  readonly #store: QueueStore;
  readonly #messages: QueueMessages;
  readonly #duplicates: QueueDuplicates;
  readonly #offset: number;
  readonly #images: ImageWriter;
  readonly #mark: number;
  readonly #queues: IterableIterator<Queue>;
  #isDone = false;
  /** The queue whose lanes are being walked; undefined between two. */
  #queue: Queue | undefined = undefined;
  /** Its id, also when the walk has left it: queues up to it were begun. */
  #reachedId = 0;
  /** The lane of `#queue` that is being walked, by its place, and the key of the last message passed in it. */
  #place = 0;
  #passedKey = 0;
  /** The queue whose dedup ids are being written, from the bookmark on. */
  #dedupQueue: Queue | undefined = undefined;
  /** Queues that the walk has not come to and whose image was written. */
  readonly #begun = new Set<Queue>();
  readonly #owedLanes = new Set<Lane>();
  /** Deleted, with dedup ids. */
  readonly #owedQueues = new Set<Queue>();
  /** The key of the last message passed in the first owed lane. */
  #owedKey = 0;

  /** @param offset the snapshot's, and the last one applied. */
  constructor(store: QueueStore, offset: number, images: ImageWriter) {
    this.#store = store;
    this.#messages = store.messages;
    this.#duplicates = store.duplicates;
    this.#offset = offset;
    this.#images = images;
    this.#mark = this.#messages.marks.next();
    store.observe(this);
    this.#queues = store.queuesById();
  }

  step(): boolean {
    while (!this.#isDone && this.#images.budgetBytes > 0) {
      // One list of dedup ids at a time: there is one bookmark.
      if (this.#dedupQueue !== undefined) this.#walkDedupIds(this.#dedupQueue);
      else if (this.#owedLanes.size > 0) this.#walkOwedLane();
      else if (this.#owedQueues.size > 0) this.#beginOwedQueue();
      else if (this.#queue !== undefined) this.#walkLane(this.#queue);
      else this.#beginQueue();
    }
    return this.#isDone;
  }

  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#store.observe(undefined);
    this.#duplicates.bookmark = 0;
    this.#owedLanes.clear();
    this.#owedQueues.clear();
  }

  // The walk

  #beginQueue(): void {
    const { done, value: queue } = this.#queues.next();
    if (done === true || queue.id > this.#offset) {
      this.#messages.marks.completed();
      this.end();
      return;
    }
    if (this.#begun.delete(queue)) this.#images.skip();
    else writeQueueImage(this.#images, queue);
    this.#queue = queue;
    this.#reachedId = queue.id;
    this.#place = 0;
    this.#passedKey = 0;
    this.#beginDedupIds(queue);
  }

  #beginOwedQueue(): void {
    for (const queue of this.#owedQueues) {
      this.#owedQueues.delete(queue);
      this.#beginDedupIds(queue);
      return;
    }
  }

  #beginDedupIds(queue: Queue): void {
    this.#dedupQueue = queue;
    this.#duplicates.bookmark = queue.dedupFirst;
  }

  #walkDedupIds(queue: Queue): void {
    const duplicates = this.#duplicates;
    while (this.#images.budgetBytes > 0) {
      const ref = duplicates.bookmark;
      if (ref === 0 || !this.#writeDedupId(queue, ref)) {
        this.#dedupQueue = undefined;
        duplicates.bookmark = 0;
        return;
      }
      duplicates.bookmark = duplicates.next(ref);
    }
  }

  /** Of a queue that was deleted meanwhile, what its lanes still had is owed, and they are gone. */
  #walkLane(queue: Queue): void {
    const lane = queue.lanes[this.#place];
    if (lane !== undefined) {
      this.#passedKey = this.#walk(lane, this.#passedKey);
      if (this.#passedKey !== 0) return;
    }
    // A purge may have taken the lane away in the middle: the next one is walked from its beginning all the same.
    this.#passedKey = 0;
    if (++this.#place === LANE_COUNT) this.#queue = undefined;
  }

  #walkOwedLane(): void {
    for (const lane of this.#owedLanes) {
      this.#owedKey = this.#walk(lane, this.#owedKey);
      if (this.#owedKey === 0) this.#owedLanes.delete(lane);
      return;
    }
  }

  /** Writes what a lane has behind a key. Returns the key to go on behind, 0 at the end of the lane. */
  #walk(lane: Lane, passedKey: number): number {
    const { order } = this.#messages;
    const images = this.#images;
    let key = passedKey;
    for (let ref = order.firstAfter(lane, key); ref !== 0; ref = order.next(ref)) {
      key = order.keyOf(lane, ref);
      if (key > this.#offset) return 0;
      if (!this.#writeMessage(ref, lane)) images.skip();
      if (images.budgetBytes <= 0) return key;
    }
    return 0;
  }

  // What is about to change

  beforeQueue(queue: Queue): void {
    if (queue.id <= this.#reachedId || queue.id > this.#offset || this.#begun.has(queue)) return;
    this.#begun.add(queue);
    writeQueueImage(this.#images, queue);
  }

  beforeMessage(ref: number, lane: Lane): void {
    if (lane.detached) {
      if (this.#owedLanes.has(lane)) this.#writeMessage(ref, lane);
      return;
    }
    this.beforeQueue(lane.queue);
    this.#writeMessage(ref, lane);
  }

  /** A queue that the walk has left has only marked and newer messages. */
  beforeDetach(lane: Lane): void {
    const { id } = lane.queue;
    if (id <= this.#offset && (id > this.#reachedId || lane.queue === this.#queue)) this.#owedLanes.add(lane);
  }

  beforeDelete(queue: Queue): void {
    if (queue.dedupCount > 0 && queue.id <= this.#offset && queue.id > this.#reachedId) this.#owedQueues.add(queue);
    this.#begun.delete(queue);
  }

  beforeForget(queue: Queue, ref: number): void {
    if (queue === this.#dedupQueue) {
      if (ref !== this.#duplicates.bookmark) return;
      this.#writeDedupId(queue, ref);
      this.#duplicates.bookmark = this.#duplicates.next(ref);
    } else if (queue.deleted ? this.#owedQueues.has(queue) : queue.id > this.#reachedId) {
      this.#writeDedupId(queue, ref);
    }
  }

  /** Returns whether it was written now: neither before, nor is it newer than the snapshot. */
  #writeMessage(ref: number, lane: Lane): boolean {
    const messages = this.#messages;
    if (messages.markOf(ref) === this.#mark || messages.idOf(ref) > this.#offset) return false;
    writeMessageImage(this.#images, lane.queue.id, messages, ref);
    messages.setMark(ref, this.#mark);
    return true;
  }

  /** Returns whether it was there at the snapshot's offset. */
  #writeDedupId(queue: Queue, ref: number): boolean {
    const entry = this.#duplicates.entry(ref);
    if (entry.messageId > this.#offset) return false;
    writeDedupIdImage(this.#images, queue.id, entry);
    return true;
  }
}
