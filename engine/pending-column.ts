/**
 * `_pending`: the boolean column by which a selection asks whether this node has written something of a row that is not
 * settled yet.
 *
 * Invariants
 *   - only a selection that this node answers itself may name it; to whole statements, to what goes upstream and to what a
 *     follower asks, it is no property;
 *   - its cell stands behind those of the collection's columns, where no program reads it: 1 if something is pending, else 0.
 */
import {
  createSelector,
  quoteName,
  type RawRow,
  type Selection,
  type Selector,
  type SqlParameters,
  type SqlProbe,
  type Table,
  Where,
  within,
} from '../query/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Change, Commit } from './change.ts';

const NAME = '_pending';
/** SQL does not tell the case of ASCII letters apart. */
const MENTION = /_pending/i;

/** A selection of a text that names `_pending`; null where it does not, and everybody may be asked. */
export type PendingSelector = (
  entry: CatalogEntry,
  text: string | Where,
  parameters?: SqlParameters,
) => Selection | null;

export function createPendingSelector(probe: SqlProbe): PendingSelector {
  const selectors = new Map<CatalogEntry, Selector>();
  return (entry, text, parameters) => {
    if (!MENTION.test(text instanceof Where ? text.text : text)) return null;
    const select = selectors.get(entry) ?? createSelector(withPending(entry.descriptor.table), probe);
    selectors.set(entry, select);
    const selection = select(text, parameters);
    return namesPending(selection) ? { ...selection, key: `${NAME} ${selection.key}` } : null;
  };
}

/** Whether it asks what is pending, so that nobody else can answer it. */
export function asksPending({ shape: { tree } }: Selection): boolean {
  return tree.table.columns.at(-1)?.name === NAME;
}

/** The commit as selections that name `_pending` see it. */
export function commitWithPending({ changes, marks, ...commit }: Commit): Commit {
  return { ...commit, changes: [...changes, ...(marks ?? [])].map(changeWithPending) };
}

function changeWithPending({ before, after, pending, ...change }: Change): Change {
  return {
    ...change,
    before: before && rowWithPending(before, pending?.before === true),
    after: after && rowWithPending(after, pending?.after === true),
  };
}

function rowWithPending(row: RawRow, isPending: boolean): RawRow {
  return [...row, isPending ? 1 : 0];
}

/** A cast, because a column of INTEGER affinity is what everything else takes it for. */
function withPending({ name, columns }: Table): Table {
  const listed = columns.map((column) => quoteName(column.name)).join(', ');
  return {
    name,
    columns: [...columns, { name: NAME, type: 'integer', index: columns.length, json: false }],
    source: `(SELECT ${listed}, CAST(${NAME} IS 1 AS INTEGER) AS ${NAME} FROM ${quoteName(`_${name}`)} WHERE _deleted IS NULL)`,
  };
}

function namesPending({ shape: { tree } }: Selection): boolean {
  const expressions = [...(tree.where === null ? [] : [tree.where]), ...tree.orderBy.map((term) => term.expression)];
  return expressions.some((each) => within(each, (part) => part.kind === 'column' && part.column.name === NAME));
}
