/** The ledger of a simulation: what it takes for wrong in a log, and what it does not. */
import { expect, test } from 'vitest';
import type { EntityId, Operation } from '../../storage/index.ts';
import { createAuthor } from '../support/author.ts';
import { Ledger } from './ledger.ts';

const { id, operation } = createAuthor('note');

/** What is wrong with a log in which these stand, each at a position of its own. */
function wrongIn(ledger: Ledger, ...operations: readonly Operation[]): readonly string[] {
  ledger.read({ position: operations.length, at: (position) => [operations[position - 1]!] });
  return ledger.takeViolations();
}

/** Two writes of ana's to one entity, the later one first in the log; between them her node ends. */
function reordered(isPersistent: boolean, authors: readonly [earlier: string, later: string]): readonly string[] {
  const ledger = new Ledger();
  const entity = id<EntityId>();
  const earlier = ledger.begin('ana', 0);
  ledger.died('ana', isPersistent);
  const later = ledger.begin('ana', 1);
  return wrongIn(
    ledger,
    operation({ entity, author: authors[1], values: { mark: BigInt(later.mark) } }),
    operation({ entity, author: authors[0], values: { mark: BigInt(earlier.mark) } }),
  );
}

test('writes of one author to one entity in another order than they were made are wrong, over a restart, too', () => {
  const wrong = reordered(true, ['one', 'one']);
  expect(wrong).toEqual(['write 1 of ana follows mark 2 in the log, which was written after it']);
});

test('what a node that kept nothing sent before it ended may follow what it writes in its next life', () => {
  expect(reordered(false, ['one', 'another'])).toEqual([]);
});
