/** Limits of a session and its link. Those of frames and messages stand with them (frames.ts, codec.ts). */

/** From connecting until the link is open. */
export const MAX_OPENING_MS = 10_000;
/** From the link's opening until the follower's hello. */
export const MAX_HELLO_MS = 5_000;
/** From the hello until `authenticate` has judged it. */
export const MAX_JUDGING_MS = 10_000;
/** From the hello until the authority's answer, which takes its judging and the way there and back. */
export const MAX_WELCOME_MS = MAX_JUDGING_MS + 5_000;
/** Silence after which a ping is sent. */
export const PING_AFTER_MS = 20_000;
/** Silence after which the link is given up. */
export const MAX_IDLE_MS = 60_000;
/** For what is queued to leave once the end was decided. */
export const MAX_CLOSE_MS = 5_000;

/** Bytes waiting for one follower; past it they are dropped and the session ends. */
export const MAX_QUEUE_BYTES = 4 * 1_024 * 1_024;
/** The same at a follower: its whole outbox (64 MiB) may wait, and what it asks for beside. */
export const MAX_UPLOAD_QUEUE_BYTES = 72 * 1_024 * 1_024;
/** Chunks and answers are made only while fewer bytes than this wait; a chunk has as many itself. */
export const LOW_WATER_BYTES = 256 * 1_024;
/** Bytes of small chunks and answers that are made together in one turn. */
export const PULL_BYTES = 64 * 1_024;
/** Chunks and answers made for one session that has many, before it is the turn of another one that has. */
export const MAX_PARTS_TOGETHER = 16;
/** Bytes beyond which a link is given no other frame until it has drained: what can still be dropped stays here. */
export const LINK_QUEUE_BYTES = 1_024 * 1_024;
/** Bytes of frames that one turn takes from one link; the rest is left to the next. Those of the largest frame. */
export const MAX_TURN_BYTES = 1_024 * 1_024;
/** Bytes of frames kept of a link that is paused: of one that cannot wait, or of what was on its way. */
export const MAX_PAUSED_BYTES = 16 * 1_024 * 1_024;
/** How long this side may take nothing, before it ends the session. A multiple of PING_AFTER_MS. */
export const MAX_PAUSE_MS = 120_000;

/** Followers of one server at a time. */
export const MAX_SESSIONS = 10_000;
/** UTF-8 bytes of a credential: a hello must fit its frame. */
export const MAX_CREDENTIAL_BYTES = 8 * 1_024;
