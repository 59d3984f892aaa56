/** Feed work: what the feed has done so far, for reports and tests. */
export interface FeedWork {
  /** Transactions taken. */
  commits: number;
  /** Row images that a selection's matcher was asked about. */
  evaluated: number;
  /** Parts made; each has its bytes made once, for all sessions. */
  parts: number;
  /** Different steps made, and how often one was said. */
  steps: number;
  said: number;
  /** Windows read again because rows had left them. */
  refills: number;
  /** Rows said in chunks. */
  hydrated: number;
  /** Rows that could not be read for a session. */
  unreadable: number;
}

export function noFeedWork(): FeedWork {
  return { commits: 0, evaluated: 0, parts: 0, steps: 0, said: 0, refills: 0, hydrated: 0, unreadable: 0 };
}
