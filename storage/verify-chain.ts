/** Reads a whole log again and checks what its chain hash promises: contents, digests, order and transactions. */
import { CHAIN_START, nextChain } from './chain.ts';
import type { SqliteDriver } from './driver.ts';
import { FLOOR_KEY, floorOf } from './floor.ts';
import { type Position, readId, type TransactionId } from './ids.ts';
import { digestOf } from './operation-bytes.ts';
import { sameBytes } from './registers.ts';

/**
 * The first position that does not follow from the ones before, or null. An operation whose content was compacted has its
 * digest only: that can be so up to the log's floor, and beyond it the content is lost.
 */
export function verifyChain(driver: SqliteDriver): Position | null {
  const [kept] = driver.get('SELECT value FROM tendril_meta WHERE key = ?', [FLOOR_KEY]) ?? [];
  const floor = floorOf(kept as Uint8Array | undefined);
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
    if (bytes === null && position > floor) return null;
    if (bytes !== null && !sameBytes(digestOf(bytes as Uint8Array), digest as Uint8Array)) return null;
    digests.push(digest as Uint8Array);
  }
  return digests;
}
