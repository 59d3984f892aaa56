/**
 * Ten short doings of a node, each to be run with the storage failing, or the power going, at every one of its calls.
 *
 * Each begins with the same file: five accounts and one note that live, one account that was deleted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type Collection, idFrom, type Node } from '../../index.ts';
import { createRandom } from '../support/random.ts';
import { Account, COLLECTIONS, Note, placeOf, type Receipt, type Stamped, UPGRADED } from './collections.ts';
import { createForeignAuthor } from './foreign-author.ts';

/** Says that the transaction of `receipt` was asked for, and how it ended. */
export type Attempt = (receipt: Receipt, promise: Promise<unknown>) => Promise<void>;

export interface Script {
  readonly name: string;
  /** Whether it begins with the file that `prepare` fills, or with none. */
  readonly from: 'prepared' | 'nothing';
  readonly collections: readonly Collection[];
  readonly act: (node: Node, attempt: Attempt) => Promise<void>;
}

const accounts = Array.from({ length: 5 }, (_, index) => idFrom('account', `a${index}`));
const deleted = idFrom('account', 'deleted');
const note = idFrom('note', 'n');

export async function prepare(node: Node, attempt: Attempt): Promise<void> {
  const first = [...accounts, deleted].map((id) => [Account, id] as const);
  await attempt(...creation(node, 1, [...first, [Note, note]]));
  await attempt(
    receipt(2, [Account, deleted]),
    node.transact((tx) => {
      tx.update(Account, deleted, values(2, 1));
      tx.delete(Account, deleted);
    }),
  );
  await attempt(
    ...updating(node, 3, [
      [Account, accounts[0]!],
      [Note, note],
    ]),
  );
}

type Place = readonly [collection: Stamped, id: string];

function values(stamp: number, width: number, body = 'x'.repeat(300)) {
  return { stamp, width, body };
}

function receipt(stamp: number, ...places: readonly Place[]): Receipt {
  return { stamp, entities: places.map(([{ name }, id]) => placeOf(name, id)).sort() };
}

export function creation(node: Node, stamp: number, places: readonly Place[]): Parameters<Attempt> {
  const promise = node.transact((tx) => {
    for (const [collection, id] of places) tx.create(collection, values(stamp, places.length), { id });
  });
  return [receipt(stamp, ...places), promise];
}

function updating(node: Node, stamp: number, places: readonly Place[]): Parameters<Attempt> {
  const promise = node.transact((tx) => {
    for (const [collection, id] of places) tx.update(collection, id, values(stamp, places.length));
  });
  return [receipt(stamp, ...places), promise];
}

export const SCRIPTS: readonly Script[] = [
  {
    name: 'making a file',
    from: 'nothing',
    collections: COLLECTIONS,
    act: async () => {},
  },
  {
    name: 'opening with a changed schema',
    from: 'prepared',
    collections: UPGRADED,
    act: async () => {},
  },
  {
    name: 'a creation',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        ...creation(node, 11, [
          [Account, idFrom('account', 'new')],
          [Note, idFrom('note', 'new')],
        ]),
      ),
  },
  {
    name: 'an update',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        ...updating(node, 11, [
          [Account, accounts[1]!],
          [Account, accounts[2]!],
          [Note, note],
        ]),
      ),
  },
  {
    name: 'a deletion, after a read of its own writes',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        receipt(11, [Account, accounts[1]!], [Note, note]),
        node.transact((tx) => {
          tx.update(Account, accounts[1]!, values(11, 2));
          tx.update(Note, note, values(11, 2));
          for (const { id } of tx.query(Account, 'stamp = 11')) tx.delete(Account, id);
          tx.delete(Note, note);
        }),
      ),
  },
  {
    name: 'a callback that goes on after a failed read',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        receipt(11, [Account, accounts[1]!], [Note, note]),
        node.transact((tx) => {
          tx.update(Account, accounts[1]!, values(11, 2));
          try {
            tx.query(Account, 'stamp = 11');
          } catch {
            // As a program may: nothing may then be written outside the transaction that SQLite has ended.
          }
          tx.update(Note, note, values(11, 2));
        }),
      ),
  },
  {
    name: 'a restoration',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        receipt(11, [Account, deleted]),
        node.transact((tx) => {
          tx.restore(Account, deleted);
          tx.update(Account, deleted, values(11, 1));
        }),
      ),
  },
  {
    name: 'a group of five, one of which throws',
    from: 'prepared',
    collections: COLLECTIONS,
    act: async (node, attempt) => {
      const thrown = node.transact((tx) => {
        tx.update(Account, accounts[0]!, values(-1, 1));
        throw new Error('thrown on purpose');
      });
      await Promise.all([
        thrown.catch(() => {}),
        ...[0, 1, 2, 3].map((index) =>
          attempt(
            ...updating(node, 11 + index, [
              [Account, accounts[index]!],
              [Note, note],
            ]),
          ),
        ),
      ]);
    },
  },
  {
    name: 'an asynchronous transaction that reads its snapshot',
    from: 'prepared',
    collections: COLLECTIONS,
    act: async (node, attempt) => {
      const overtaken = node.transact(async (tx) => {
        tx.update(Account, accounts[1]!, values(11, 1));
        await turn();
        await attempt(
          ...updating(node, 12, [
            [Account, accounts[2]!],
            [Note, note],
          ]),
        );
        return tx.query(Account, 'stamp > 10').length;
      });
      await attempt(receipt(11, [Account, accounts[1]!]), overtaken);
    },
  },
  {
    name: 'the ingest of a child before its parent',
    from: 'prepared',
    collections: COLLECTIONS,
    act: async (node, attempt) => {
      const foreign = createForeignAuthor(createRandom(1));
      const [parent, child] = [11, 12].map((stamp) => foreign.write({ ...values(stamp, 2), extra: null }));
      const parked = node.ingest(child!.operations);
      const applied = parked.catch(() => {}).then(() => node.ingest(parent!.operations));
      await Promise.all([attempt(parent!.receipt, applied), attempt(child!.receipt, Promise.all([parked, applied]))]);
    },
  },
  {
    name: 'an UPDATE as SQL',
    from: 'prepared',
    collections: COLLECTIONS,
    act: (node, attempt) =>
      attempt(
        receipt(11, [Account, accounts[3]!], [Account, accounts[4]!]),
        node.sql('UPDATE account SET stamp = 11, width = 2 WHERE id IN (?, ?)', [accounts[3]!, accounts[4]!]),
      ),
  },
];
