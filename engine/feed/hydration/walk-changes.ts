/**
 * Walk of changes: what a selection that a session had at its cursor is now, told by what changed since.
 *
 * Invariants
 *   - a row that changed comes whole if the selection has it now, as left if it had it then; of one that did not change
 *     nothing is said: the session has it if the selection has it;
 *   - between two chunks, steps tell what happens to every id up to the last one looked at, also to rows of which no chunk
 *     spoke, because the session has them; what happens beyond is among the changes when the next chunk is read;
 *   - of a window, the rows beyond the edge that the session had come whole too, changed or not: it has none of them. Those
 *     that were pushed out it finds itself, beyond the edge that comes with the last chunk, and is told of one that changes
 *     before.
 * The work is what changed, and for each such row one or two looks at it: never the rows of the selection.
 */
import { TendrilError } from '../../../errors.ts';
import type { RawRow } from '../../../query/index.ts';
import { type EntityId, orDamage } from '../../../storage/index.ts';
import type { CatalogEntry } from '../../catalog.ts';
import type { FeedRows } from '../feed-rows.ts';
import type { FollowedCollection } from '../followed/followed-collection.ts';
import type { FollowedRows, FollowedSelection } from '../followed/followed-selection.ts';
import type { Subscription } from '../followed/subscription.ts';
import type { CatchUp } from '../past/catch-up.ts';
import type { ChangedRows } from '../past/changed-rows.ts';
import { type Found, foundRow, NO_BUCKETS, type Walk } from './walk.ts';

/** - `through`: the session has no rows beyond this id: those come as if it had nothing. Null: it has all. */
export function walkChanges(
  rows: FeedRows,
  catchUp: CatchUp,
  { entry, name }: FollowedCollection,
  followed: FollowedSelection,
  through: EntityId | null,
): Walk {
  const { selection, matches } = followed;
  const changed = () => catchUp.of(name);
  const scan = through === null ? null : rows.scan(entry, selection);
  const had = (row: RawRow) => matches(row);
  return {
    ...underWay(catchUp, entry),
    ...(through === null ? { shared: catchUp.shared(followed, null) } : {}),
    next: function* (after, count) {
      if (through === null || after === null || after < through) {
        for (const [at, id] of changed()
          .after(after, count + 1)
          .entries()) {
          if (through !== null && id > through) break;
          yield at < count ? judge(changed(), id, had, matches) : oneMore(id);
        }
      }
      if (scan === null) return;
      const from = after === null || after < through! ? through! : after;
      for (const { id, row } of scan.next(from, count + 1)) yield foundRow(id, row);
    },
  };
}

/** - `edge`: the last row that the session had, as it stood then; null if no row of the selection lay beyond what it had. */
export function walkWindowChanges(
  catchUp: CatchUp,
  { entry, name }: FollowedCollection,
  subscription: Subscription,
  window: FollowedRows,
  edge: RawRow | null,
): Walk {
  const { followed } = subscription;
  const { matches } = followed;
  const changed = () => catchUp.of(name);
  const had = (row: RawRow) => matches(row) && (edge === null || !window.isBeyond(row, edge));
  subscription.mayHave = ({ asOf, values }) => asOf <= catchUp.cursor! && had(values);
  return {
    ...underWay(catchUp, entry),
    end: () => {
      subscription.mayHave = null;
      catchUp.end();
    },
    shared: catchUp.shared(followed, edge === null ? null : (edge[0] as EntityId)),
    next: function* (after, count) {
      const beyond = edge === null ? [] : window.idsBeyond(edge).filter((id) => after === null || id > after);
      const ids = new Set([...changed().after(after, count + 1), ...beyond.slice(0, count + 1)]);
      for (const [at, id] of [...ids]
        .sort()
        .slice(0, count + 1)
        .entries()) {
        yield at < count ? judge(changed(), id, had, () => window.follows(id)) : oneMore(id);
      }
    },
  };
}

function underWay(catchUp: CatchUp, { descriptor }: CatalogEntry): Omit<Walk, 'next'> {
  catchUp.begin();
  return {
    basis: 'held',
    encode: (row) => catchUp.encode(descriptor, row),
    prepare: () => catchUp.bring(),
    differing: () => NO_BUCKETS,
    total: () => null,
    end: () => catchUp.end(),
  };
}

/** Shows that there is more; it is judged when the next chunk comes to it. */
function oneMore(id: EntityId): Found {
  return { kind: 'unchanged', id };
}

function judge(
  changed: ChangedRows,
  id: EntityId,
  had: (row: RawRow) => boolean,
  has: (row: RawRow) => boolean,
): Found {
  const now = changed.now(id);
  if (now instanceof TendrilError) return { kind: 'unreadable', id, error: now };
  if (now !== null && now.deleted === null && has(now.values)) return { kind: 'row', id, row: now };
  const before = orDamage(() => changed.before(id));
  if (before instanceof TendrilError) return { kind: 'unreadable', id, error: before };
  return { kind: before !== null && had(before) ? 'left' : 'unchanged', id };
}
