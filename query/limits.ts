/** Every bound of the query layer, with its unit. At each, the behaviour is `limit-exceeded` unless said otherwise. */

/** UTF-8 bytes of one statement or predicate. */
export const MAX_STATEMENT_BYTES = 64 * 1024;

/** Nodes of one selection's tree; literals and parameters standing directly in an IN list are not counted. */
export const MAX_TREE_NODES = 1_000;

/** Levels of one selection's tree, and of the parentheses, calls and prefixes it is written with. */
export const MAX_TREE_DEPTH = 64;

/** Members of one IN list. */
export const MAX_IN_LIST = 1_000;

/** The greatest N of `?N`, and the number of parameters of one text: SQLite's own bound. */
export const MAX_PARAMETERS = 32_766;

/** UTF-8 bytes of a LIKE or GLOB pattern: SQLite's own bound. */
export const MAX_PATTERN_BYTES = 50_000;

/** Parentheses within parentheses of a whole statement. */
export const MAX_STATEMENT_DEPTH = 64;

/** Tables that one FROM clause joins: SQLite's own bound. */
export const MAX_JOINED = 64;

/**
 * Characters of all the texts that one selector, or one analyser, remembers; past them the least recently used is
 * forgotten, but never the last one. Each costs some 50 bytes.
 */
export const MAX_KNOWN_CHARACTERS = 128 * 1024;

/** Statements one analyser remembers; the least recently used is forgotten. */
export const MAX_KNOWN_STATEMENTS = 256;

/** Texts one selector remembers; the least recently used is forgotten. */
export const MAX_KNOWN_TEXTS = 1_000;

/** Shapes one selector remembers for all its texts; the least recently used is forgotten. */
export const MAX_KNOWN_SHAPES = 2_000;
