/** What `kv.stats` counts. Reads change these, so they belong to this node and are not state. */
export class KeyCounters {
  gets = 0;
  sets = 0;
  dels = 0;
  hits = 0;
  misses = 0;
}
