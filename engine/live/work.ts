/** Work: what the reading half has done since its node opened, counted, for tests and `report()`. */
export interface Work {
  /** Views made: live queries that shared none. */
  views: number;
  /** Transactions that changed rows. */
  commits: number;
  /** Rows they changed. */
  changes: number;
  /** Live selections that the index found for a changed row, counted once for each row. */
  visited: number;
  /** Of those, the ones a changed row really concerned: it was, or is, among their rows. */
  concerned: number;
  /** Predicates evaluated: at most two for each visit, the old row and the new. */
  evaluated: number;
  /** Rows read by SQL, to open live queries and to fill windows up. */
  hydrated: number;
  /** Windows that ran out of rows and were read again. */
  refills: number;
  /** Whole statements run again. */
  reruns: number;
  /** Change sets made: one for each transaction and view that it altered, if anybody listened. */
  changeSets: number;
}

export function noWork(): Work {
  return {
    views: 0,
    commits: 0,
    changes: 0,
    visited: 0,
    concerned: 0,
    evaluated: 0,
    hydrated: 0,
    refills: 0,
    reruns: 0,
    changeSets: 0,
  };
}
