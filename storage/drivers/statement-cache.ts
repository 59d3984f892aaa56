/**
 * Prepared statements by text: at most `capacity`, the least recently used finalised when one more comes.
 *
 * Invariants
 *   - every statement it holds is idle: one that is being iterated is taken out, and given back when done;
 *   - a statement that leaves other than by `take` is finalised.
 * Finding one is a Map lookup and a counter; only a new statement past the capacity pays for a scan, beside its preparation.
 */
export interface Finalisable {
  readonly finalise: () => void;
}

interface Kept<Statement> {
  readonly statement: Statement;
  used: number;
}

export class StatementCache<Statement extends Finalisable> {
  readonly #capacity: number;
  readonly #prepare: (sql: string) => Statement;
  readonly #kept = new Map<string, Kept<Statement>>();
  #uses = 0;

  constructor(capacity: number, prepare: (sql: string) => Statement) {
    this.#capacity = capacity;
    this.#prepare = prepare;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(sql: string): Statement {
    const kept = this.#kept.get(sql);
    if (kept === undefined) return this.#keep(sql, this.#prepare(sql));
    kept.used = ++this.#uses;
    return kept.statement;
  }

  /** The statement, for the caller alone until it gives it back. */
  take(sql: string): Statement {
    const kept = this.#kept.get(sql);
    if (kept === undefined) return this.#prepare(sql);
    this.#kept.delete(sql);
    return kept.statement;
  }

  give(sql: string, statement: Statement): void {
    if (this.#kept.has(sql)) statement.finalise();
    else this.#keep(sql, statement);
  }

  clear(): void {
    for (const { statement } of this.#kept.values()) statement.finalise();
    this.#kept.clear();
  }

  #keep(sql: string, statement: Statement): Statement {
    if (this.#kept.size >= this.#capacity) this.#dropOldest();
    this.#kept.set(sql, { statement, used: ++this.#uses });
    return statement;
  }

  #dropOldest(): void {
    let oldest = '';
    let least = Number.POSITIVE_INFINITY;
    for (const [sql, { used }] of this.#kept) {
      if (used >= least) continue;
      oldest = sql;
      least = used;
    }
    this.#kept.get(oldest)?.statement.finalise();
    this.#kept.delete(oldest);
  }
}
