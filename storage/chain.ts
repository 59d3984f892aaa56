/** The chain hash: each transaction's is over the one before, so that nothing earlier can be changed unnoticed. */
import { ByteWriter } from './encoding.ts';
import type { Position, TransactionId } from './ids.ts';
import { sha256 } from './sha256.ts';

const CHAIN_BYTES = 32;
const POSITION_BITS = 64;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

/** What stands before the first transaction. */
export const CHAIN_START = new Uint8Array(CHAIN_BYTES);

/** SHA-256 of the previous chain hash, the position (8 bytes, big-endian), the transaction id, each operation's digest. */
export function nextChain(
  previous: Uint8Array,
  position: Position,
  transaction: TransactionId,
  digests: readonly Uint8Array[],
): Uint8Array {
  writer.raw(previous);
  for (let bit = POSITION_BITS - 8; bit >= 0; bit -= 8) writer.byte(Math.floor(position / 2 ** bit) % 256);
  writer.id(transaction);
  for (const digest of digests) writer.raw(digest);
  return sha256(writer.take());
}
