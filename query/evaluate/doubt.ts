/**
 * Doubt: what JavaScript throws when it cannot promise SQLite's answer for the values at hand (a REAL printed as text,
 * a text of more digits than a double holds exactly). Whoever evaluates catches it and asks SQLite instead.
 *
 * One frozen object and no Error: it is control flow, never seen outside this folder, and carries no stack to pay for.
 */
export const DOUBT: { readonly doubt: true } = Object.freeze({ doubt: true });
