/**
 * Member: one row as a view holds it.
 *
 * Invariants
 *   - `keys` is what the view's order compares. When the order is by plain columns it is the raw row itself, so that one
 *     member serves every view that is told of the same change; else the view's own member has that one as its `twin`;
 *   - a row is decoded at most once, at the first look: an unchanged row is the same object in every `rows`.
 */
import type { RawRow, SortKeys } from '../../query/index.ts';

export class Member<Row> {
  readonly raw: RawRow;
  readonly keys: SortKeys;
  readonly #twin: Member<Row> | null;
  #row: Row | undefined = undefined;

  constructor(raw: RawRow, keys: SortKeys = raw, twin: Member<Row> | null = null) {
    this.raw = raw;
    this.keys = keys;
    this.#twin = twin;
  }

  row(decode: (raw: RawRow) => Row): Row {
    this.#row ??= this.#twin === null ? decode(this.raw) : this.#twin.row(decode);
    return this.#row;
  }

  /** Goes on with the object that stood for an equal row, unless this one was looked at already. */
  adopt(equal: Member<Row>): void {
    this.#row ??= equal.#row;
  }
}
