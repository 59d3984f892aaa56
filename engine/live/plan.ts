/**
 * Plan: how selections of one shape are matched, ordered and read. Compiled once per shape, shared by all of them.
 */
import {
  compileMatcher,
  compileOrder,
  type Expr,
  exactValues,
  type IndexKey,
  indexKeysOf,
  type Matcher,
  type Order,
  queryError,
  quoteName,
  type Selection,
  type Shape,
  type SqlProbe,
  type SqlValue,
  sourceOf,
  within,
} from '../../query/index.ts';
import type { Member } from './member.ts';
import type { WindowRules } from './window.ts';

export interface Plan<Row> extends WindowRules<Member<Row>> {
  readonly matches: Matcher;
  readonly order: Order;
  /** Reads the selection's rows in order; if it has a LIMIT, as many as `parametersOf` says. */
  readonly sql: string;
  /** Where its parameters hold how many rows to read; null without a LIMIT. */
  readonly limitSlot: number | null;
}

export type Plans<Row> = (shape: Shape) => Plan<Row>;

export function createPlans<Row>(probe: SqlProbe): Plans<Row> {
  const known = new WeakMap<Shape, Plan<Row>>();
  return (shape) => {
    const plan = known.get(shape) ?? compilePlan<Row>(shape, probe);
    known.set(shape, plan);
    return plan;
  };
}

/** Rows shown: what LIMIT says, Infinity without one or with a negative one. */
export function limitOf({ shape: { tree }, values }: Selection): number {
  if (tree.limit === null) return Number.POSITIVE_INFINITY;
  const limit =
    tree.limit.kind === 'slot' ? values[tree.limit.index] : tree.limit.kind === 'literal' && tree.limit.value;
  return Number(limit) < 0 ? Number.POSITIVE_INFINITY : Number(limit);
}

/**
 * Where an index holds a selection: with LIMIT 0 no row concerns it. Not kept but found again when needed: a hundred
 * thousand live queries would each hold theirs.
 */
export function registrationsOf(selection: Selection): readonly IndexKey[] {
  return limitOf(selection) === 0 ? [] : indexKeysOf(selection);
}

/** For the plan's `sql`: the first `rows` rows, all if Infinity. The LIMIT says how many are shown, not how many are held. */
export function parametersOf(
  { limitSlot }: { readonly limitSlot: number | null },
  selection: Selection,
  rows: number,
): readonly SqlValue[] {
  const parameters = exactValues(selection);
  if (limitSlot !== null) parameters[limitSlot] = rows === Number.POSITIVE_INFINITY ? -1n : BigInt(rows);
  return parameters;
}

/** The LIMIT's own slot; where it is a literal, or its slot is used elsewhere too (`?1` twice), one more than there are. */
function limitSlotOf({ tree: { where, orderBy, limit }, classes }: Shape): number | null {
  if (limit === null) return null;
  if (limit.kind !== 'slot') return classes.length;
  const isUsedIn = (expression: Expr) =>
    within(expression, (part) => part.kind === 'slot' && part.index === limit.index);
  const isShared = (where !== null && isUsedIn(where)) || orderBy.some((term) => isUsedIn(term.expression));
  return isShared ? classes.length : limit.index;
}

function compilePlan<Row>(shape: Shape, probe: SqlProbe): Plan<Row> {
  const { tree, sql } = shape;
  const columns = tree.table.columns.map(({ name }) => quoteName(name)).join(', ');
  const where = sql.where === null ? '' : ` WHERE ${sql.where}`;
  const limitSlot = limitSlotOf(shape);
  const limit = limitSlot === null ? '' : ` LIMIT ?${limitSlot + 1}`;
  const order = compileOrder(shape, probe);
  return {
    matches: compileMatcher(shape, probe),
    order,
    compare: (left, right) => order.compare(left.keys, right.keys),
    identityOf,
    limitSlot,
    sql: `SELECT ${columns} FROM ${sourceOf(tree.table)}${where} ORDER BY ${sql.orderBy}${limit}`,
  };
}

function identityOf(member: Member<unknown>): unknown {
  return member.raw[0];
}

/** @throws {TendrilError} `query-unsupported`, at its OFFSET: what comes before the rows would not be known. */
export function refuseOffset({ shape: { tree } }: Selection, text: string): void {
  if (tree.offset === null) return;
  throw queryError({
    code: 'query-unsupported',
    text,
    at: tree.offset.at,
    problem: 'What is kept current has no OFFSET: what comes before its rows would not be known.',
    remedy: 'Ask for the first rows with LIMIT, or for those after a key with a condition on it.',
  });
}
