/** What an ephemeral node keeps and asks for at most. */

/** How long what nobody asks for any more stays followed, so that coming back costs nothing. */
export const LINGER_MS = 5 * 60_000;
/** Transactions that wait for an outcome. */
export const MAX_OUTBOX_TRANSACTIONS = 10_000;
/** Bytes of their operations. */
export const MAX_OUTBOX_BYTES = 64 * 1_024 * 1_024;
/** Transactions, and bytes, that are on their way at a time; the others follow as outcomes come. */
export const MAX_IN_FLIGHT_TRANSACTIONS = 4_000;
export const MAX_IN_FLIGHT_BYTES = 2 * 1_024 * 1_024;
/** Selections followed at a time, those that linger included: these give way first. */
export const MAX_FOLLOWED_SELECTIONS = 500;
/** Rows that `verify` names; it says whether there are more. */
export const MAX_REPORTED = 1_000;
/** Ids that `verify` asks about at once. */
export const VERIFIED_TOGETHER = 1_000;
/** Rows that may change while one selection is verified. */
export const MAX_CHANGED_MEANWHILE = 100_000;
/** Positions that the file's cursor may be behind while nothing else is written: it costs a commit of its own then. */
export const MAX_CURSOR_LAG = 10_000;
/** Rows of a selection from which on their buckets are compared; fewer cost less than that. */
export const MIN_COMPARED_ROWS = 64;
/** Rows whose heads are summed up in one turn. */
export const SUMMED_ROWS = 1_000;
/** Ids fetched or written that are followed at a time; the longest unused give way. */
export const MAX_HELD_IDS = 50_000;
/** Transactions of other sessions of the same actor that show here before they are settled, and bytes of their operations. */
export const MAX_FOREIGN_TRANSACTIONS = 10_000;
export const MAX_FOREIGN_BYTES = 64 * 1_024 * 1_024;
/** Questions that wait for an answer. */
export const MAX_OPEN_QUESTIONS = 100;
/** What `close` gives the authority to settle what is on its way. */
export const MAX_CLOSE_MS = 5_000;
/** Waited at most before the second attempt to reach the upstream; doubled with each that fails, up to MAX_DELAY_MS. */
export const FIRST_DELAY_MS = 500;
export const MAX_DELAY_MS = 30_000;
/** A session that lasted as long makes up for all that failed before. */
export const STABLE_MS = 30_000;
/** Rows that could not be read and are remembered with their reason. */
export const MAX_QUARANTINED = 1_000;
/** Times that one transaction is made anew because the authority could not take it as it was. */
export const MAX_ATTEMPTS = 20;
/** Refused transactions that lie on the shelf, and bytes of what the shelf says of them: past these the oldest go. */
export const MAX_SHELF_TRANSACTIONS = 10_000;
export const MAX_SHELF_BYTES = 64 * 1_024 * 1_024;
