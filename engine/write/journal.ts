/**
 * Journal: how to take back from memory what SQLite takes back with a savepoint or a group.
 *
 * Invariant: whoever changes memory inside a group records first how to undo it; `rewind` runs those records, last first.
 */
export class Journal {
  readonly #undo: (() => void)[] = [];

  /** For the commit queue. */
  readonly mark = (): number => this.#undo.length;

  readonly rewind = (mark: number): void => {
    while (this.#undo.length > mark) this.#undo.pop()!();
  };

  record(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** The group was committed: nothing will be taken back. */
  clear(): void {
    this.#undo.length = 0;
  }

  /** Sets an entry, or with `undefined` deletes it. */
  set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
    const held = map.get(key);
    const had = map.has(key);
    this.record(() => {
      if (had) map.set(key, held as Value);
      else map.delete(key);
    });
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
}
