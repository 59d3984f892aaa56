/** What a durable node gives one session at most, and takes from it. */

/** Selections one session follows at a time. */
export const MAX_SUBSCRIPTIONS = 500;
/** LIMIT of a followed window: its rows are held here. */
export const MAX_WINDOW_LIMIT = 10_000;
/** Rows of one chunk. */
export const MAX_CHUNK_ROWS = 1_000;
/** Operations of one `logged`; it also ends after MAX_CHUNK_BYTES, and always with a whole transaction. */
export const LOGGED_OPERATIONS_TOGETHER = 1_000;
/** Bytes of one chunk's rows: one row may pass it. */
export const MAX_CHUNK_BYTES = 256 * 1_024;
/** Operations that may have come since a session's cursor for it to resume: past them it is compared by buckets. */
export const MAX_CATCH_UP_OPERATIONS = 100_000;
/** Operations of the log that one turn looks at for it. */
export const MAX_CATCH_UP_TURN = 10_000;
/** Rows kept in memory while sessions catch up, as they were and are, for all of them, and bytes of their cells. */
export const MAX_SHARED_IMAGES = 20_000;
export const MAX_SHARED_BYTES = 32 * 1_024 * 1_024;
/** Bytes kept meanwhile of what sessions were told, for others that had the same. */
export const MAX_SHARED_ANSWER_BYTES = 32 * 1_024 * 1_024;
/** How long they are kept for those that come back a little later. */
export const SHARED_PAST_MS = 10_000;
/** Operations of the log, without what they say, that are kept meanwhile: as many as one session may have missed. */
export const MAX_SHARED_CHANGES = 100_000;
/** Rows that may leave what a session follows while it catches up. */
export const MAX_DEPARTURES = 10_000;
/** Positions of which a session may be told nothing: then it is told that they have passed. */
export const MAX_SILENT_POSITIONS = 1_000;
/** Ids one session holds, over all collections, with those of its uploads that wait. */
export const MAX_HELD_IDS = 100_000;
/** Requests of one session to hold ids whose rows have not all been said. */
export const MAX_OPEN_HOLDS = 100;
/** Uploaded transactions of one session that wait for their commit, and bytes of their operations. */
export const MAX_WAITING_UPLOADS = 10_000;
export const MAX_WAITING_BYTES = 64 * 1_024 * 1_024;
/** Of either, the part at which a session is asked to pause, and the part below which it may go on. */
export const PAUSE_AT = 1 / 2;
export const GO_ON_BELOW = 1 / 4;
/** The same of all sessions together: past them, each keeps to its share. */
export const MAX_ALL_WAITING_UPLOADS = 40_000;
export const MAX_ALL_WAITING_BYTES = 256 * 1_024 * 1_024;
/** How far ahead of this node's clock, or of what its log holds already, an uploaded id may be. */
export const MAX_DRIFT_MS = 5 * 60_000;
/** Questions of one session that are not answered to the end. */
export const MAX_OPEN_ASKS = 100;
/** Rows of one part of an answer; a part also ends after MAX_CHUNK_BYTES. */
export const MAX_ANSWER_ROWS = 1_000;
/** Rows, and bytes of their cells, of a whole answer: it is held here until it has been said. */
export const MAX_WHOLE_ANSWER_ROWS = 100_000;
export const MAX_WHOLE_ANSWER_BYTES = 64 * 1_024 * 1_024;
