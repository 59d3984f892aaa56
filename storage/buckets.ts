/**
 * Buckets: a short summary of many rows, by which two nodes find where they differ without sending them.
 *
 * Invariant: two sets of rows have the same hash of a bucket exactly when, up to a collision of 8 bytes, the same ids of
 * that bucket have the same heads. The bucket of a row is the last byte of its id, which is random or hashed.
 */
import { bytesOfId, type EntityId, ID_BYTES, type OperationId, writeId } from './ids.ts';
import { sha256 } from './sha256.ts';

export const BUCKETS = 256;
const HASH_BYTES = 8;
/** Bytes of all hashes, bucket by bucket. */
export const BUCKETS_BYTES = BUCKETS * HASH_BYTES;

export interface Buckets {
  /** Each row once, in any order. */
  readonly add: (id: EntityId, head: readonly OperationId[]) => void;
  /** Of what was added so far. */
  readonly hashes: () => Uint8Array;
}

export function bucketOf(id: EntityId): number {
  return bytesOfId(id)[ID_BYTES - 1]!;
}

/** Cost: one hash of a few ids for each row. */
export function createBuckets(): Buckets {
  const sums = new BigUint64Array(BUCKETS);
  return {
    add: (id, head) => {
      const bytes = new Uint8Array(ID_BYTES * (1 + head.length));
      writeId(bytes, 0, id);
      for (const [index, tip] of head.entries()) writeId(bytes, ID_BYTES * (index + 1), tip);
      const hash = sha256(bytes);
      const bucket = bytes[ID_BYTES - 1]!;
      // A sum has no order. It wraps around.
      sums[bucket] = sums[bucket]! + new DataView(hash.buffer, hash.byteOffset).getBigUint64(0);
    },
    hashes: () => {
      const bytes = new Uint8Array(BUCKETS_BYTES);
      const view = new DataView(bytes.buffer);
      for (const [bucket, sum] of sums.entries()) view.setBigUint64(bucket * HASH_BYTES, sum);
      return bytes;
    },
  };
}

/** The numbers of the buckets in which two summaries differ, ascending. */
export function differingBuckets(left: Uint8Array, right: Uint8Array): Uint8Array {
  const differing: number[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const from = bucket * HASH_BYTES;
    for (let at = from; at < from + HASH_BYTES; at += 1) {
      if (left[at] === right[at]) continue;
      differing.push(bucket);
      break;
    }
  }
  return Uint8Array.from(differing);
}
