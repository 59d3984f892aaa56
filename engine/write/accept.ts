/**
 * Accept: a write set becomes operations, and these are applied.
 *
 * Invariants
 *   - one operation for each entity that has something to say, its precursors the whole head, so that one head is left;
 *   - a head of more than MAX_PRECURSORS is narrowed first, by operations without edits, eight tips to one;
 *   - a write set that says nothing makes no operation, no position and no commit.
 * Ids are minted here: at the commit, in the order in which the entities were first written.
 */
import { TendrilError } from '../../errors.ts';
import {
  type Edit,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type Position,
  type TransactionId,
} from '../../storage/index.ts';
import type { Core, Prepared } from '../core.ts';
import type { Staging } from '../staging.ts';
import type { Outcome } from './commit-queue.ts';
import { makeOperation, narrow, sizeOf } from './prepared.ts';
import { type Draft, tooManyBytes, tooManyOperations } from './write-set.ts';

/**
 * `since` is the position of the snapshot the drafts were made from, null if they were made in this very group.
 *
 * @throws {TendrilError} `limit-exceeded`; `conflict` if a drafted entity has moved since.
 */
export function acceptTransaction(
  core: Core,
  transaction: TransactionId,
  drafts: readonly Draft[],
  since: Position | null,
  staging: Staging = 'queue',
): Outcome {
  const application = core.application(transaction, staging);
  let operations = 0;
  let bytes = 0;
  for (const draft of drafts) {
    const edits = editsOf(draft);
    if (edits.length === 0) {
      takeBack(core, draft);
      continue;
    }
    if (since !== null) checkUnmoved(core, draft, since);
    const prepared = prepare(core, transaction, draft, edits);
    operations += prepared.length;
    bytes += sizeOf(prepared);
    if (operations > MAX_TRANSACTION_OPERATIONS) throw tooManyOperations(operations);
    if (bytes > MAX_TRANSACTION_BYTES) throw tooManyBytes(bytes);
    application.touch(draft.entry, draft.id, draft.before, draft.shown, prepared);
  }
  const commit = application.end();
  return { kind: 'done', commits: commit === null ? [] : [commit], operations, bytes };
}

/** In an operation's order: existence, then the properties by the bytes of their names. */
function editsOf({ entry, before, existence, assignments }: Draft): readonly Edit[] {
  if (before === null && existence === 'delete') return [];
  const edits: Edit[] = existence === null ? [] : [{ kind: existence, property: '' }];
  for (const { name, column } of entry.descriptor.properties) {
    const value = assignments[column];
    if (value !== undefined) edits.push({ kind: 'set', property: name, value });
  }
  return edits;
}

function prepare(core: Core, transaction: TransactionId, draft: Draft, edits: readonly Edit[]): readonly Prepared[] {
  const subject = { transaction, collection: draft.entry.collection.name, entity: draft.id };
  const { added, head } = narrow(core, subject, draft.before?.head ?? []);
  return [...added, makeOperation(core, subject, head, edits)];
}

function checkUnmoved({ rows }: Core, { entry, id, before }: Draft, since: Position): void {
  const collection = entry.collection.name;
  const now = rows.read(collection, id)?.head ?? [];
  const then = before?.head ?? [];
  if (now.length === then.length && now.every((tip, index) => tip === then[index])) return;
  throw new TendrilError({
    code: 'conflict',
    problem: `${collection} ${id} was changed by another transaction since this one began to read, at position ${since}.`,
    remedy: 'Run the transaction again: transact(callback, { retries: 3 }) does so.',
    facts: { collection, id, since },
  });
}

/** What the transaction showed itself and then gave up leaves the table again. */
function takeBack({ rows }: Core, { entry, id, before, shown }: Draft): void {
  if (shown === before) return;
  if (before === null) rows.erase(entry.collection.name, id);
  else rows.write(entry.collection.name, id, shown, before);
}
