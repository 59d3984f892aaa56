/** The chain hash: each transaction's is over the one before, so that nothing earlier can be changed unnoticed. */
import { ID_BYTES, type Position, type TransactionId, writeId } from './ids.ts';
import { DIGEST_BYTES } from './operation-bytes.ts';
import { sha256 } from './sha256.ts';

const CHAIN_BYTES = 32;
const POSITION_BYTES = 8;
const HEADER_BYTES = CHAIN_BYTES + POSITION_BYTES + ID_BYTES;

/** What stands before the first transaction. */
export const CHAIN_START = new Uint8Array(CHAIN_BYTES);

/** SHA-256 of the previous chain hash, the position (8 bytes, big-endian), the transaction id, each operation's digest. */
export function nextChain(
  previous: Uint8Array,
  position: Position,
  transaction: TransactionId,
  digests: readonly Uint8Array[],
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + digests.length * DIGEST_BYTES);
  bytes.set(previous);
  new DataView(bytes.buffer).setBigUint64(CHAIN_BYTES, BigInt(position));
  writeId(bytes, CHAIN_BYTES + POSITION_BYTES, transaction);
  for (let index = 0; index < digests.length; index += 1)
    bytes.set(digests[index]!, HEADER_BYTES + index * DIGEST_BYTES);
  return sha256(bytes);
}
