/** Reads a whole log again and checks what its chain hash promises: contents, digests, order and transactions. */
import { CHAIN_START, nextChain } from './chain.ts';
import type { SqliteDriver } from './driver.ts';
import { FLOOR_KEY, floorOf } from './floor.ts';
import { type Position, readId, type TransactionId } from './ids.ts';
import { readMeta } from './meta.ts';
import { digestOf } from './operation-bytes.ts';
import { sameBytes } from './registers.ts';
import { decodeSkeleton, isSkeleton } from './skeleton.ts';

/**
 * The first position that does not follow from the ones before, or null. Of an operation whose content was compacted the
 * skeleton says the digest: that can be so up to the log's floor, and beyond it the content is lost.
 */
export function verifyChain(driver: SqliteDriver): Position | null {
  const floor = floorOf(readMeta(driver, FLOOR_KEY));
  const last = driver.get('SELECT max(position) FROM tendril_transaction')?.[0] as Position | null;
  let chain: Uint8Array = CHAIN_START;
  for (let at = 1; at <= (last ?? 0); at += 1) {
    const position = at as Position;
    const [tx, recorded] = driver.get('SELECT tx, chain FROM tendril_transaction WHERE position = ?', [at]) ?? [];
    const digests = digestsAt(driver, position, floor);
    if (tx === undefined || digests === null) return position;
    chain = nextChain(chain, position, readId<TransactionId>(tx as Uint8Array, 0), digests);
    if (!sameBytes(chain, recorded as Uint8Array)) return position;
  }
  return strayContent(driver);
}

/** The first position with a content that is no operation's. */
function strayContent(driver: SqliteDriver): Position | null {
  const stray = `SELECT min(position) FROM tendril_content AS c
    WHERE NOT EXISTS (SELECT 1 FROM tendril_identity AS i WHERE i.position = c.position AND i.ordinal = c.ordinal)`;
  return driver.get(stray)?.[0] as Position | null;
}

/** null where an operation's bytes do not have the digest that its identity names, or its place is not its own. */
function digestsAt(driver: SqliteDriver, position: Position, floor: Position): Uint8Array[] | null {
  const operations = driver.all(
    `SELECT i.ordinal, i.digest, c.bytes FROM tendril_identity AS i LEFT JOIN tendril_content AS c USING (position, ordinal)
      WHERE i.position = ? ORDER BY i.ordinal`,
    [position],
  );
  const digests: Uint8Array[] = [];
  for (const [ordinal, digest, bytes] of operations) {
    if (ordinal !== digests.length) return null;
    if (bytes === null || !sameBytes(digestIn(bytes as Uint8Array, position, floor), digest as Uint8Array)) return null;
    digests.push(digest as Uint8Array);
  }
  return digests;
}

const NO_DIGEST = new Uint8Array(0);

function digestIn(bytes: Uint8Array, position: Position, floor: Position): Uint8Array {
  if (!isSkeleton(bytes)) return digestOf(bytes);
  try {
    return position > floor ? NO_DIGEST : decodeSkeleton(bytes).digest;
  } catch {
    return NO_DIGEST;
  }
}
