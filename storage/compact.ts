/**
 * Compaction: what a log may forget up to a floor, and how it is taken away, stretch by stretch.
 *
 * Invariants
 *   - of one entity's operations up to the floor, those stay whole that won a register there (a property's, or that of its
 *     existence), or say something that this version does not understand. Folding what is left gives every row from the
 *     floor on as before: a register's winner is the greatest id that sets it, and all others never were seen there;
 *   - of the others a skeleton stays, and of none the undo;
 *   - whatever is compacted up to one position is so up to every earlier one: a stretch that was done stays done, so that
 *     a compaction that was interrupted goes on where it ended.
 */
import type { SqlValue } from '../query/index.ts';
import type { SqliteDriver } from './driver.ts';
import { floorOf } from './floor.ts';
import { bytesOfId, type EntityId, leastIdAt, type OperationId, type Position } from './ids.ts';
import type { CollectionNumbers } from './log-writer.ts';
import { numberBytes, readMeta, writeMeta } from './meta.ts';
import type { Operation } from './operation.ts';
import { decodeLogged } from './operation-bytes.ts';
import { bytesIn } from './row-bytes.ts';
import { decodeKeptOfLog, encodeSkeleton, isSkeleton } from './skeleton.ts';

/** Where an operation stands in the log. */
export interface Place {
  readonly position: Position;
  readonly ordinal: number;
}

/** What of a whole operation decides whether it stays so. */
export interface Claim extends Place {
  readonly id: OperationId;
  /** The registers that it sets; '' is that of existence. */
  readonly properties: readonly string[];
  /** It has an edit of a kind that this version does not know. */
  readonly isOpaque: boolean;
}

/** The operations of whole transactions, in position order. */
export interface Stretch {
  /** The position of the last of them. */
  readonly through: Position;
  readonly operations: readonly {
    readonly collection: string;
    readonly entity: EntityId;
    readonly claim: Claim | null;
    /** The log has none of the entity before it. */
    readonly isFirst: boolean;
  }[];
}

export interface Compaction {
  /** How far the log is compacted: at most its floor, which also rises where another's skeletons come in. */
  readonly done: () => Position;
  /** Inside the caller's transaction. */
  readonly markDone: (position: Position) => void;
  /** The whole transactions after `position`, at least one, then up to `limit` operations; not beyond `through`. */
  readonly stretch: (position: Position, through: Position, limit: number) => Stretch | null;
  /** The claims of one entity among its operations up to `through`, `limit` of them a time, and where to go on from. */
  readonly claims: (
    collection: string,
    entity: EntityId,
    after: Place,
    through: Position,
    limit: number,
  ) => { readonly claims: readonly Claim[]; readonly last: Place | null };
  /** Leaves a skeleton. Inside the caller's transaction. */
  readonly drop: (place: Place) => void;
  /** Takes away the undo of the operations of a stretch. Inside the caller's transaction. */
  readonly dropUndo: (after: Position, through: Position) => void;
  /** The last position before the first transaction made at `ms` or later, looking at `limit` after `after`. */
  readonly lastBefore: (ms: number, after: Position, limit: number) => Position;
  /** How many operations the transactions at and below `through` have, `limit` transactions of them, newest first. */
  readonly sizes: (
    through: Position,
    limit: number,
  ) => readonly { readonly position: Position; readonly count: number }[];
}

/** Its key in `tendril_meta`. */
const COMPACTED_KEY = 'compacted';

/** Before every operation. */
export const FIRST_PLACE: Place = { position: 0 as Position, ordinal: 0 };

/** Of an operation before which there was no row, the undo says just that. */
const STRETCH_COLUMNS = `position, ordinal, bytes, undo = x'00'`;
const STRETCH = `SELECT ${STRETCH_COLUMNS} FROM tendril_content WHERE position > ? AND position <= ?
  ORDER BY position, ordinal LIMIT ?`;
const TRANSACTION = `SELECT ${STRETCH_COLUMNS} FROM tendril_content WHERE position = ? ORDER BY ordinal`;
/** That of a creation is one byte, and stays: taking it away would write its whole row again. */
const DROP_UNDO = `UPDATE tendril_content SET undo = x''
  WHERE position > ? AND position <= ? AND length(undo) > 1`;
const CLAIMS = `SELECT i.position, i.ordinal, c.bytes FROM tendril_identity AS i CROSS JOIN tendril_content AS c
  USING (position, ordinal) WHERE i.entity = ? AND i.collection = ? AND (i.position, i.ordinal) > (?, ?)
  AND i.position <= ? ORDER BY i.position, i.ordinal LIMIT ?`;

/** Which of one entity's claims still win something, or cannot be judged. */
export function standing(claims: readonly Claim[]): ReadonlySet<Claim> {
  const winners = new Map<string, Claim>();
  for (const claim of claims) {
    for (const property of claim.properties) {
      const winner = winners.get(property);
      if (winner === undefined || claim.id > winner.id) winners.set(property, claim);
    }
  }
  return new Set([...winners.values(), ...claims.filter(({ isOpaque }) => isOpaque)]);
}

export function createCompaction(driver: SqliteDriver, numbers: CollectionNumbers): Compaction {
  return {
    done: () => floorOf(readMeta(driver, COMPACTED_KEY)),
    markDone: (position) => writeMeta(driver, COMPACTED_KEY, numberBytes(position)),
    stretch: (position, through, limit) => {
      let rows = driver.all(STRETCH, [position, through, limit + 1]);
      if (rows.length > limit) {
        // The last transaction may go on beyond these: leave it out, unless it is the only one.
        const cut = rows[limit]![0]!;
        const whole = rows.filter(([at]) => at !== cut);
        rows = whole.length > 0 ? whole : driver.all(TRANSACTION, [cut]);
      }
      if (rows.length === 0) return null;
      const operations = rows.map(([at, ordinal, bytes, isFirst]) => {
        const place = { position: at as Position, ordinal: ordinal as number };
        const operation = operationIn(bytesIn(bytes, 'an operation'));
        const { collection, entity } = operation;
        const claim = isSkeleton(bytes as Uint8Array) ? null : claimOf(place, operation);
        return { collection, entity, claim, isFirst: isFirst === 1 };
      });
      return { through: rows.at(-1)![0] as Position, operations };
    },
    claims: (collection, entity, after, through, limit) => {
      const number = numbers.get(collection)!;
      const parameters: SqlValue[] = [bytesOfId(entity), number, after.position, after.ordinal, through, limit];
      const rows = driver.all(CLAIMS, parameters);
      const claims: Claim[] = [];
      let last: Place | null = null;
      for (const [at, ordinal, cell] of rows) {
        last = { position: at as Position, ordinal: ordinal as number };
        const bytes = bytesIn(cell, 'an operation');
        if (isSkeleton(bytes)) continue;
        claims.push(claimOf(last, decodeLogged(bytes)));
      }
      return { claims, last: rows.length < limit ? null : last };
    },
    drop: ({ position, ordinal }) => {
      const at = [position, ordinal];
      const found = driver.get('SELECT bytes FROM tendril_content WHERE position = ? AND ordinal = ?', at)!;
      const { operation, digest } = decodeKeptOfLog(bytesIn(found[0], 'an operation'));
      const skeleton = encodeSkeleton({ ...operation, digest });
      driver.run('UPDATE tendril_content SET bytes = ? WHERE position = ? AND ordinal = ?', [skeleton, ...at]);
    },
    dropUndo: (after, through) => {
      driver.run(DROP_UNDO, [after, through]);
    },
    lastBefore: (ms, after, limit) => {
      const first = driver.get(
        'SELECT position FROM tendril_transaction WHERE position > ? AND position <= ? AND tx >= ? ORDER BY position LIMIT 1',
        [after, after + limit, leastIdAt(ms)],
      );
      return (first === undefined ? after + limit : (first[0] as number) - 1) as Position;
    },
    sizes: (through, limit) =>
      driver
        .all(
          `SELECT position, count(*) FROM tendril_identity WHERE position <= ? GROUP BY position
            ORDER BY position DESC LIMIT ?`,
          [through, limit],
        )
        .map(([position, count]) => ({ position: position as Position, count: count as number })),
  };
}

/** Without the digest, which costs as much as the reading. */
function operationIn(bytes: Uint8Array): Operation {
  return isSkeleton(bytes) ? decodeKeptOfLog(bytes).operation : decodeLogged(bytes);
}

/** Of a whole one: a skeleton claims nothing any more. What only narrows a head claims nothing either, and is none yet. */
function claimOf(place: Place, { id, edits }: Operation): Claim {
  const properties = edits.flatMap((edit) => (edit.kind === 'unknown' ? [] : [edit.property]));
  return { ...place, id, properties, isOpaque: edits.some(({ kind }) => kind === 'unknown') };
}
