/** What a relay has on its way for its followers at most. */

/** Transactions of all followers, and bytes of their operations, that are on their way upstream; the others wait their turn. */
export const MAX_FORWARDED_TRANSACTIONS = 4_000;
export const MAX_FORWARDED_BYTES = 2 * 1_024 * 1_024;
/** Questions of all followers that are on their way; the others wait their turn. This node's own need room beside them. */
export const MAX_FORWARDED_QUESTIONS = 50;
/** Ids that all followers together hold by; this node's own need room beside them (engine/upstream/limits.ts). */
export const MAX_RELAYED_IDS = 40_000;
