/**
 * Coverage: what the rows that an ephemeral node holds can answer as well as its upstream could.
 *
 * Invariants
 *   - a selection is covered by the same selection followed, by one without LIMIT whose conditions are among its own, or
 *     by ids that are all known; a whole collection, by a selection followed without condition or LIMIT;
 *   - a window covers itself as long as its rows up to the edge fill it;
 *   - what was held when the link was lost still covers: offline, an answer is as old as the upstream's last word.
 */
import { conditionsOf, pinnedIds, type Selection } from '../../../query/index.ts';
import { type EntityId, isUlid, type Rows } from '../../../storage/index.ts';
import type { Catalog } from '../../catalog.ts';
import type { Covers } from '../../covers.ts';
import type { Cover, Progress } from '../../live/cover.ts';
import { limitOf } from '../../live/plan.ts';
import type { Reader } from '../../reader.ts';
import type { Followed } from './followed.ts';
import type { Following } from './following.ts';
import type { HeldIds } from './held-ids.ts';

export interface CoverageParts {
  readonly catalog: Catalog;
  readonly rows: Rows;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly reader: () => Reader;
}

export function createCoverage({ catalog, rows, following, heldIds, reader }: CoverageParts): Covers {
  const unlimited = (collection: string): readonly Followed[] =>
    [...following.all()].filter(
      ({ entry, hasRows, isWindow }) => hasRows && !isWindow && entry.collection.name === collection,
    );
  const isWhole = (collection: string) =>
    unlimited(collection).some(({ asked }) => conditionsOf(asked.selection).length === 0);
  const entity = (collection: string, id: EntityId) =>
    rows.read(collection, id) !== null || heldIds.knows(collection, id) || isWhole(collection);
  const arePinned = (collection: string, selection: Selection) =>
    pinnedIds(selection)?.every((id) => !isUlid(id) || entity(collection, id as EntityId)) ?? false;
  /** More may have left a window here than its slack makes up for: then only the upstream knows what follows. */
  const reachesItsLimit = (followed: Followed): boolean => {
    const bound = following.boundOf(followed);
    if (bound === null) return true;
    const { selection } = followed.asked;
    const shown = reader().rows(selection);
    return shown.length === limitOf(selection) && followed.compare(shown.at(-1)!, bound) <= 0;
  };
  return {
    entity,
    selection: (collection, selection) => {
      const followed = following.find(collection, selection);
      if (followed?.hasRows && reachesItsLimit(followed)) return true;
      const own = new Set(conditionsOf(selection));
      const lies = ({ asked }: Followed) => conditionsOf(asked.selection).every((condition) => own.has(condition));
      return unlimited(collection).some(lies) || arePinned(collection, selection);
    },
    whole: (collections) => collections.every(isWhole),
    follow: (collection, asked) => following.follow(catalog.named(collection)!, asked),
    followWhole: (collections) => {
      const covers: Cover[] = [];
      try {
        for (const name of collections) {
          const entry = catalog.named(name)!;
          const selection = reader().select(entry, '');
          covers.push(following.follow(entry, { selection, text: '', parameters: [] }));
        }
      } catch (error) {
        for (const cover of covers) cover.leave();
        throw error;
      }
      return together(covers);
    },
  };
}

/** Null where nothing is coming. */
function sumOf(all: readonly Progress[]): Progress | null {
  if (all.length === 0) return null;
  const received = all.reduce((sum, progress) => sum + progress.received, 0);
  const isCounted = all.every(({ total }) => total !== null);
  return { received, total: isCounted ? all.reduce((sum, { total }) => sum + total!, 0) : null };
}

const WORST = ['denied', 'offline', 'syncing', 'complete'] as const;

/** All of several; as good as the worst of them. */
function together(covers: readonly Cover[]): Cover {
  const whenAll = (when: 'whenAnswered' | 'whenHeld', task: () => void) => {
    let waiting = covers.length;
    if (waiting === 0) return task();
    const oneLess = () => {
      waiting -= 1;
      if (waiting === 0) task();
    };
    for (const cover of covers) cover[when](oneLess);
  };
  const worst = () => WORST.find((status) => covers.some((cover) => cover.status === status)) ?? 'complete';
  return {
    get status() {
      return worst();
    },
    get progress() {
      return sumOf(covers.flatMap(({ progress }) => progress ?? []));
    },
    get error() {
      return covers.find(({ status }) => status === worst())?.error ?? null;
    },
    whenAnswered: (task) => whenAll('whenAnswered', task),
    whenHeld: (task) => whenAll('whenHeld', task),
    watch: (stirred) => {
      const stops = covers.map((cover) => cover.watch(stirred));
      return () => {
        for (const stop of stops) stop();
      };
    },
    leave: () => {
      for (const cover of covers) cover.leave();
    },
  };
}
