/**
 * Change sets: what one step did to a list of rows, how to apply it, to take it back, and to make one of two.
 *
 * Invariants
 *   - `removed.index` and `updated.from` count in the old rows, `added.index` and `updated.index` in the new: take out what
 *     was removed or moved, then insert ascending. Rows that are not mentioned keep their order, though not their index;
 *   - each list ascends by `index`; a row is in at most one of them.
 */
export interface Removed<Row> {
  readonly row: Row;
  /** Where it was. */
  readonly index: number;
}

export interface Added<Row> {
  readonly row: Row;
  readonly index: number;
}

export interface Updated<Row> {
  readonly row: Row;
  readonly before: Row;
  readonly index: number;
  readonly from: number;
}

export interface Differences<Row> {
  readonly removed: readonly Removed<Row>[];
  readonly added: readonly Added<Row>[];
  readonly updated: readonly Updated<Row>[];
}

export interface ChangeSet<Row> extends Differences<Row> {
  /** All rows after this change set and before the next, whenever they are looked at. Put together at the first look. */
  readonly rows: readonly Row[];
}

/** `after`: gives the rows that the differences lead to, when it is asked for them. */
export function changeSetOf<Row>(
  differences: Differences<Row>,
  after: { readonly rows: readonly Row[] },
): ChangeSet<Row> {
  return new LateChangeSet(differences, after);
}

/**
 * `rows` is an own property, so that a copy has it too, by one getter for all: an object literal with a getter would have
 * a hidden class of its own, which only a full collection frees.
 */
class LateChangeSet<Row> implements ChangeSet<Row> {
  static readonly #rows: PropertyDescriptor = {
    enumerable: true,
    get(this: LateChangeSet<unknown>) {
      return this.#after.rows;
    },
  };
  readonly removed: readonly Removed<Row>[];
  readonly added: readonly Added<Row>[];
  readonly updated: readonly Updated<Row>[];
  declare readonly rows: readonly Row[];
  readonly #after: { readonly rows: readonly Row[] };

  constructor({ removed, added, updated }: Differences<Row>, after: { readonly rows: readonly Row[] }) {
    this.removed = removed;
    this.added = added;
    this.updated = updated;
    this.#after = after;
    Object.defineProperty(this, 'rows', LateChangeSet.#rows);
  }
}

export function isEmpty({ removed, added, updated }: Differences<unknown>): boolean {
  return removed.length === 0 && added.length === 0 && updated.length === 0;
}

/** The new rows, given the old. */
export function applied<Row>(rows: readonly Row[], differences: Differences<Row>): readonly Row[] {
  const result = [...rows];
  rearrange(result, takenOf(differences), placedOf(differences));
  return result;
}

/** What leads back. */
export function inverse<Row>({ removed, added, updated }: Differences<Row>): Differences<Row> {
  return {
    removed: added,
    added: removed,
    updated: updated
      .map(({ row, before, index, from }) => ({ row: before, before: row, index: from, from: index }))
      .sort(byIndex),
  };
}

/** Splicing costs less than building anew up to so many places. */
const MAX_SPLICES = 8;

/** Takes out the items at the indexes `taken`, then inserts `placed` where they shall stand; both ascending. In place. */
export function rearrange<Item>(items: Item[], taken: readonly number[], placed: readonly Added<Item>[]): void {
  if (taken.length + placed.length <= MAX_SPLICES) {
    for (let at = taken.length - 1; at >= 0; at -= 1) items.splice(taken[at]!, 1);
    for (const { row, index } of placed) items.splice(index, 0, row);
    return;
  }
  const old = items.slice();
  const length = old.length - taken.length + placed.length;
  let read = 0;
  let out = 0;
  let into = 0;
  items.length = length;
  for (let at = 0; at < length; at += 1) {
    if (placed[into]?.index === at) {
      items[at] = placed[into]!.row;
      into += 1;
      continue;
    }
    for (; taken[out] === read; out += 1) read += 1;
    items[at] = old[read]!;
    read += 1;
  }
}

/**
 * One step that does what `first` and then `second` do. `identityOf` tells which rows are one entity, so that one that
 * left and came back is updated; null where rows have no identity.
 */
export function merge<Row>(
  first: Differences<Row>,
  second: Differences<Row>,
  identityOf: ((row: Row) => unknown) | null,
): Differences<Row> {
  const [firstPlaced, firstTaken] = [placedOf(first), takenOf(first)];
  const [secondPlaced, secondTaken] = [placedOf(second), takenOf(second)];
  const removed: Removed<Row>[] = [...first.removed];
  const added: Added<Row>[] = [...second.added];
  const updated: Updated<Row>[] = [];
  const takenNext = new Map([...second.removed.map(leaving), ...second.updated.map(leaving)]);
  const toNew = shift(secondTaken, indexesOf(secondPlaced));
  for (const { row, index, origin } of firstPlaced) {
    const next = takenNext.get(index);
    takenNext.delete(index);
    const now = next === undefined ? { row, index: toNew(index) } : next.arrival;
    if (origin === null) {
      if (now !== null) added.push(now);
    } else if (now === null) removed.push(origin);
    else updated.push({ row: now.row, before: origin.row, index: now.index, from: origin.index });
  }
  const toOld = shift(indexesOf(firstPlaced), firstTaken);
  for (const [index, { row, arrival }] of [...takenNext].sort(([left], [right]) => left - right)) {
    const origin = { row, index: toOld(index) };
    if (arrival === null) removed.push(origin);
    else updated.push({ row: arrival.row, before: row, index: arrival.index, from: origin.index });
  }
  return paired(removed, added, updated, identityOf);
}

/** Joins what left and came, if it is the same entity, into an update; sorts. The lists given become the result's own. */
export function paired<Row>(
  removed: Removed<Row>[],
  added: Added<Row>[],
  updated: Updated<Row>[],
  identityOf: ((row: Row) => unknown) | null,
): Differences<Row> {
  if (identityOf === null || removed.length === 0 || added.length === 0) {
    return { removed: removed.sort(byIndex), added: added.sort(byIndex), updated: updated.sort(byIndex) };
  }
  const left = new Map(removed.map((entry) => [identityOf(entry.row), entry]));
  const came = added.filter(({ row, index }) => {
    const identity = identityOf(row);
    const origin = left.get(identity);
    if (origin === undefined) return true;
    left.delete(identity);
    updated.push({ row, before: origin.row, index, from: origin.index });
    return false;
  });
  return { removed: [...left.values()].sort(byIndex), added: came.sort(byIndex), updated: updated.sort(byIndex) };
}

interface Placed<Row> extends Added<Row> {
  /** Where an updated row was before; null for an added one. */
  readonly origin: Removed<Row> | null;
}

function placedOf<Row>({ added, updated }: Differences<Row>): readonly Placed<Row>[] {
  const placed: Placed<Row>[] = added.map(({ row, index }) => ({ row, index, origin: null }));
  for (const { row, before, index, from } of updated) placed.push({ row, index, origin: { row: before, index: from } });
  return placed.sort(byIndex);
}

function takenOf({ removed, updated }: Differences<unknown>): readonly number[] {
  return [...removed.map(({ index }) => index), ...updated.map(({ from }) => from)].sort((a, b) => a - b);
}

function indexesOf(placed: readonly Added<unknown>[]): readonly number[] {
  return placed.map(({ index }) => index);
}

/** A row that a step takes from an index, and where it puts it: null where it removes it. */
function leaving<Row>(
  entry: Removed<Row> | Updated<Row>,
): readonly [number, { readonly row: Row; readonly arrival: Added<Row> | null }] {
  if ('from' in entry) return [entry.from, { row: entry.before, arrival: { row: entry.row, index: entry.index } }];
  return [entry.index, { row: entry.row, arrival: null }];
}

/**
 * The index, after a step, of a row that the step leaves alone: those taken out before it pull it forward, those put in
 * before it push it back. The function must be asked in ascending order.
 */
export function shift(taken: readonly number[], placed: readonly number[]): (index: number) => number {
  let out = 0;
  let into = 0;
  return (index) => {
    while (out < taken.length && taken[out]! < index) out += 1;
    while (into < placed.length && placed[into]! <= index - out + into) into += 1;
    return index - out + into;
  };
}

function byIndex(left: { readonly index: number }, right: { readonly index: number }): number {
  return left.index - right.index;
}
