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
  digestOf,
  type Edit,
  encodeOperation,
  MAX_PRECURSORS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type OperationId,
  type Position,
  SALT_BYTES,
  type TransactionId,
} from '../../storage/index.ts';
import type { Core, Prepared } from '../core.ts';
import type { Outcome } from './commit-queue.ts';
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
): Outcome {
  const application = core.application(transaction);
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
    for (const each of prepared) bytes += each.bytes.length;
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
  const prepared: Prepared[] = [];
  let head = draft.before?.head ?? [];
  while (head.length > MAX_PRECURSORS) {
    const narrowing = make(core, transaction, draft, head.slice(0, MAX_PRECURSORS), []);
    prepared.push(narrowing);
    // The new id is the greatest: the head stays sorted.
    head = [...head.slice(MAX_PRECURSORS), narrowing.operation.id];
  }
  prepared.push(make(core, transaction, draft, head, edits));
  return prepared;
}

function make(
  { mint, author, random }: Core,
  transaction: TransactionId,
  { entry, id: entity }: Draft,
  precursors: readonly OperationId[],
  edits: readonly Edit[],
): Prepared {
  for (const precursor of precursors) mint.observe(precursor);
  const id = mint.next() as OperationId;
  const salt = random.bytes(SALT_BYTES);
  const collection = entry.collection.name;
  const operation = { id, transaction, collection, entity, precursors, edits, author, salt };
  const bytes = encodeOperation(operation);
  return { operation, bytes, digest: digestOf(bytes) };
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
