/**
 * The keys' part of a snapshot.
 *
 *     key  128 | tag u8 | keyBytes u16 | valueBytes u32 | version u48 | deadlineMs u48 | key | value
 *
 * The walker goes through the tree in key order and remembers the last key it has passed, never a reference: between two
 * steps records move. A key's version says when it was last written, so nothing has to be marked:
 *
 *     keys      a   b   c   d   e   f   g          version <= S and above the cursor: not written yet. Before such a
 *     version   3   9   2   7   8   1   5   S = 7  record changes or goes, its image is written; afterwards its version
 *     written   yes  -  yes ^cursor  -  no  no     is above S, or it is gone, and the walker passes it by.
 *
 * A flush leaves the whole tree to the snapshot, which walks on in it: no record of it changes any more, and those that
 * come after the flush are newer. So one flush is all that concerns a snapshot. What it keeps of the store's memory counts
 * as held until it is done (key-store-memory.ts).
 *
 * A step is bounded by its budget and one record more; a change costs at most one image, as large as the value.
 */
import { ByteRange, compareRanges, copyBytes } from "../structures/byte-range.ts";
import { scanTree } from "../structures/radix-scan.ts";
import { NONE, type RadixTree } from "../structures/radix-tree.ts";
import * as record from "../structures/record.ts";
import {
  checkImageEnd,
  type ImageWriter,
  KEY_IMAGE,
  malformed,
  type StoreImages,
  type StoreRestorer,
} from "./image.ts";
import type { KeyStore } from "./key-store.ts";
import type { KeyStoreMemory } from "./key-store-memory.ts";
import { readUint16, readUint32, readUint48, writeUint16, writeUint32, writeUint48 } from "./operation.ts";
import { TAG_JSON, type ValueTag } from "./value.ts";

const HEADER_BYTES = 20;

/** Sees the records of a store before they change. */
export interface KeyObserver {
  /** The record is about to be overwritten, or is out of the tree already and about to be freed. */
  beforeChange(ref: number): void;
  /** All records are about to be left behind. True keeps their memory until `KeyStoreMemory#releaseKept`. */
  beforeFlush(): boolean;
}

export class KeyImages implements StoreImages, KeyObserver {
  readonly #keys: KeyStore;
  readonly #memory: KeyStoreMemory;
  /** The one that had the keys at S; no longer the store's after a flush. */
  readonly #tree: RadixTree;
  readonly #offset: number;
  readonly #images: ImageWriter;
  #isDone = false;
  /** The last key that was passed, in a buffer of its own; undefined before the first. */
  #cursor: ByteRange | undefined = undefined;
  /** The record that was passed last in this step. */
  #lastRef = NONE;
  readonly #key: ByteRange;
  readonly #visit = (ref: number): boolean => {
    if (record.versionOf(this.#tree.records.words[ref >>> 24], ref & 0xfffffe) <= this.#offset) this.#write(ref);
    else this.#images.skip();
    this.#lastRef = ref;
    return this.#images.budgetBytes > 0;
  };

  /** @param offset the snapshot's, and the last one applied. */
  constructor(keys: KeyStore, offset: number, images: ImageWriter) {
    this.#keys = keys;
    this.#memory = keys.observe(this);
    this.#tree = this.#memory.tree;
    this.#offset = offset;
    this.#images = images;
    this.#key = new ByteRange(new Uint8Array(0), 0, 0);
  }

  step(): boolean {
    if (this.#isDone) return true;
    this.#lastRef = NONE;
    scanTree(this.#tree, this.#cursor, undefined, this.#visit);
    if (this.#images.budgetBytes <= 0) this.#remember(this.#lastRef);
    else this.end();
    return this.#isDone;
  }

  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#keys.observe(undefined);
    this.#memory.releaseKept();
  }

  beforeChange(ref: number): void {
    const words = this.#tree.records.words[ref >>> 24];
    if (record.versionOf(words, ref & 0xfffffe) > this.#offset) return;
    if (this.#cursor !== undefined && compareRanges(this.#keyOf(ref), this.#cursor) <= 0) return;
    this.#write(ref);
  }

  beforeFlush(): boolean {
    this.#keys.observe(undefined);
    return true;
  }

  #keyOf(ref: number): ByteRange {
    const { words, bytes } = this.#tree.records;
    const at = ref & 0xfffffe;
    const key = this.#key;
    key.bytes = bytes[ref >>> 24];
    key.start = record.keyWordOf(words[ref >>> 24], at) * 4;
    key.end = key.start + record.keyBytesOf(words[ref >>> 24], at);
    return key;
  }

  #remember(ref: number): void {
    this.#cursor ??= new ByteRange(new Uint8Array(record.KEY_BYTES_MAX), 0, 0);
    const { bytes, start, end } = this.#keyOf(ref);
    copyBytes(bytes, start, end, this.#cursor.bytes, 0);
    this.#cursor.end = end - start;
  }

  #write(ref: number): void {
    const words = this.#tree.records.words[ref >>> 24];
    const word = ref & 0xfffffe;
    const keyBytes = record.keyBytesOf(words, word);
    const valueBytes = record.valueBytesOf(words, word);
    const at = this.#images.begin(HEADER_BYTES + keyBytes + valueBytes);
    const { bytes } = this.#images;
    bytes[at] = KEY_IMAGE;
    bytes[at + 1] = record.tagOf(words, word);
    writeUint16(bytes, at + 2, keyBytes);
    writeUint32(bytes, at + 4, valueBytes);
    writeUint48(bytes, at + 8, record.versionOf(words, word));
    writeUint48(bytes, at + 14, record.deadlineMsOf(words, word));
    const start = record.keyWordOf(words, word) * 4;
    const chunk = this.#tree.records.bytes[ref >>> 24];
    copyBytes(chunk, start, start + keyBytes + valueBytes, bytes, at + HEADER_BYTES);
  }
}

export class KeyRestorer implements StoreRestorer {
  readonly kinds = [KEY_IMAGE];
  readonly #keys: KeyStore;
  #versionMax = 0;
  readonly #key = new ByteRange(new Uint8Array(0), 0, 0);

  /** @param keys of an empty store. */
  constructor(keys: KeyStore) {
    this.#keys = keys;
  }

  restore(bytes: Uint8Array, at: number, end: number): number {
    checkImageEnd(bytes, at, HEADER_BYTES, end);
    const keyBytes = readUint16(bytes, at + 2);
    const valueBytes = readUint32(bytes, at + 4);
    checkImageEnd(bytes, at, HEADER_BYTES + keyBytes + valueBytes, end);
    const tag = bytes[at + 1];
    if (tag > TAG_JSON) throw malformed(bytes, at, `no value has the tag ${tag}`);
    const version = readUint48(bytes, at + 8);
    this.#versionMax = Math.max(this.#versionMax, version);
    const key = this.#key;
    key.bytes = bytes;
    key.start = at + HEADER_BYTES;
    key.end = key.start + keyBytes;
    const next = key.end + valueBytes;
    const { size } = this.#keys;
    this.#keys.put(key, tag as ValueTag, bytes, key.end, next, readUint48(bytes, at + 14), version); // One of the four.
    if (this.#keys.size === size) throw malformed(bytes, at, `the key ${key} is there twice`);
    return next;
  }

  finish(offset: number): void {
    if (this.#versionMax > offset) throw new Error(`a key has version ${this.#versionMax} in a snapshot at ${offset}`);
  }
}
