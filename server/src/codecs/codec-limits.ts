/** What a codec is constructed with, from the configuration. */
export interface CodecLimits {
  /** `protocol.max_batch_commands`. */
  readonly batchCommandsMax: number;
  /** `kv_store.max_value_bytes`: a longer value is PAYLOAD_TOO_LARGE. Keys and names have their limits in the schema. */
  readonly valueBytesMax: number;
}
