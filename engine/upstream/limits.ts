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
/** Ids fetched or written that are followed at a time; the longest unused give way. */
export const MAX_HELD_IDS = 50_000;
/** Questions that wait for an answer. */
export const MAX_OPEN_QUESTIONS = 100;
/** What `close` gives the authority to settle what is on its way. */
export const MAX_CLOSE_MS = 5_000;
/** Times that one transaction is made anew because the authority could not take it as it was. */
export const MAX_ATTEMPTS = 20;
