/** What a durable node that follows another's log keeps and sends at most. */

/** Transactions offered, and forwarded, whose answers have not come; the others follow. */
export const MAX_OFFERED = 1_000;
/** Bytes of their operations: one transaction may pass it. */
export const MAX_OFFERED_BYTES = 2 * 1_024 * 1_024;
/** Refused transactions that are offered again one by one; with one more, all after it are. */
export const MAX_REFUSED_OFFERS = 1_000;
/** Bytes heard that are not committed here. Past it the session ends, and the next begins where the commits stand. */
export const MAX_HEARD_BYTES = 32 * 1_024 * 1_024;
/** Positions of the upstream's log, all of them of what came from here, that the cursor is not moved for. */
export const MAX_UNKEPT_POSITIONS = 1_000;
/** Transactions that could not be taken and are noted one by one. */
export const MAX_QUARANTINED_TRANSACTIONS = 1_000;
/** While some could not be taken, a new session asks for them again as often: 10 minutes. */
export const ASK_AGAIN_MS = 10 * 60_000;
/** What `close` gives the upstream to take what was written here. */
export const MAX_CLOSE_MS = 5_000;
