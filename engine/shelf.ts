/**
 * Shelf: how a program sees the transactions that were refused, and what it can do about them. See upstream/refusals/shelf-rows.ts for
 * how they come there. A node that settles what it writes itself has an empty one.
 */
import type { SqlParameters, Where } from '../query/index.ts';
import type { EntityId } from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Commit } from './change.ts';
import type { LiveQuery } from './live/live-query.ts';
import type { Parts } from './parts.ts';
import type { Overlay } from './upstream/overlay/overlay.ts';
import { Refused, type Tried, triedIn, writeAgain } from './upstream/refusals/refused.ts';
import { notOnShelf, type ShelfRows } from './upstream/refusals/shelf-rows.ts';
import type { TransactOptions } from './write/transact.ts';
import type { Transaction } from './write/transaction.ts';

export interface Shelf {
  /** Keeps a selection of the refused transactions current. @throws {TendrilError} as `Node.live`. */
  live(text?: string | Where, parameters?: SqlParameters): LiveQuery<Refused>;
  /** @throws {TendrilError} as `Node.query`. */
  query(text?: string | Where, parameters?: SqlParameters): Promise<readonly Refused[]>;
  /**
   * Writes in a transaction of its own what was tried, or what `changes` writes instead, and takes it from the shelf: both
   * or neither. Resolves as `transact` does, with what `changes` returned. Where `changes` writes nothing it stays on the
   * shelf: `discard` gives it up.
   *
   * @throws {TendrilError} `not-found` if it does not lie there; what `transact` throws: then it lies there still. Only
   *   with `until: 'settled'`, or staging `online-only`, the refusal of the new one, which lies there under an id of its own.
   */
  retry<Result = void>(
    id: string,
    changes?: (tx: Transaction, tried: readonly Tried[]) => Result | Promise<Result>,
    options?: TransactOptions,
  ): Promise<Result>;
  /** Gives it up. @throws {TendrilError} `not-found`. */
  discard(id: string): Promise<void>;
}

export interface ShelfParts {
  readonly shelf: ShelfRows;
  readonly overlay: Pick<Overlay, 'advance'>;
}

/** - `kept`: null where nothing is ever refused. - `checkOpen`: throws once the node is closed. */
export function createShelf(parts: Parts, kept: ShelfParts | null, checkOpen: () => void): Shelf {
  const { core, queue, reader, transactor } = parts;
  const { catalog } = core;
  const entry = catalog.local.find(({ collection }) => collection === Refused) as CatalogEntry<typeof Refused>;
  /** Inside a group: takes it from the shelf, in the commit of the transaction that wrote something, or in one of its own. */
  const take = (id: string, [commit]: readonly Commit[]): readonly Commit[] => {
    if (kept === null) throw notOnShelf(id);
    const change = kept.shelf.take(id as EntityId);
    if (commit !== undefined) return [{ ...commit, changes: [...commit.changes, change] }];
    return [{ transaction: null, position: kept.overlay.advance(), changes: [change], touched: [] }];
  };
  return {
    live: (text = '', parameters) => {
      checkOpen();
      return parts.live(entry, text, parameters);
    },
    query: async (text = '', parameters) => {
      checkOpen();
      // A microtask later no group is half done.
      await undefined;
      return reader.rows(reader.selectHere(entry, text, parameters)).map(entry.decode);
    },
    retry: async <Result>(
      id: string,
      changes?: (tx: Transaction, tried: readonly Tried[]) => Result | Promise<Result>,
      options?: TransactOptions,
    ) => {
      checkOpen();
      const callback = (tx: Transaction) => {
        const row = kept?.shelf.read(id as EntityId) ?? null;
        if (row === null) throw notOnShelf(id);
        const tried = triedIn(catalog, row);
        if (changes !== undefined) return changes(tx, tried);
        writeAgain(catalog, tx, tried);
        // Without `changes` nothing is what it gives.
        return undefined as Result;
      };
      // What was tried may be so by now; somebody's own callback that wrote nothing has retried nothing.
      const within = (commits: readonly Commit[]) =>
        commits.length === 0 && changes !== undefined ? commits : take(id, commits);
      return transactor.transact(callback, options, within);
    },
    discard: async (id) => {
      checkOpen();
      await new Promise<void>((resolve, reject) => {
        queue.add({
          run: () => ({ kind: 'done', commits: take(id, []), operations: 1, bytes: 0 }),
          committed: resolve,
          failed: reject,
        });
      });
    },
  };
}
