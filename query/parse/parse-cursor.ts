/**
 * Where a parse stands in its tokens, and what it has gathered: slots, nodes, depth.
 *
 * Invariants
 *   - each literal and each `?` token gets a slot of its own; each `?N` and `:name` one for all its places;
 *   - every node goes through `node`, which keeps MAX_TREE_NODES and MAX_TREE_DEPTH.
 */
import type { TendrilError } from '../../errors.ts';
import type { Expr } from '../ast.ts';
import { MAX_TREE_DEPTH, MAX_TREE_NODES } from '../limits.ts';
import { type QueryErrorCode, queryError } from '../query-error.ts';
import type { Lexed, TokenKind } from './lexer.ts';
import { type Literal, unquoted } from './lexer-literal.ts';
import { type ParameterList, WrittenParameters } from './parameter-list.ts';

/** Where a slot's value comes from: a literal of the text, or a parameter by position (from 1) or name. */
export type SlotSource =
  | { readonly kind: 'literal'; readonly token: number; readonly literal: number; readonly negated: boolean }
  | { readonly kind: 'parameter'; readonly token: number; readonly parameter: number | string };

/** One token that a slot stands for. */
export interface SlotPlace {
  readonly token: number;
  readonly slot: number;
}

export class ParseCursor {
  readonly lexed: Lexed;
  readonly slots: SlotSource[] = [];
  /** In text order. */
  readonly places: SlotPlace[] = [];
  /** Index of the current token. */
  position = 0;
  private readonly words: readonly string[];
  private readonly written = new WrittenParameters();
  private readonly slotOfParameter = new Map<number | string, number>();
  private readonly depths = new Map<Expr, number>();
  private nesting = 0;
  private literal = 0;
  private nodes = 0;
  private uncounted = 0;

  constructor(lexed: Lexed) {
    this.lexed = lexed;
    this.words = lexed.kinds.map((kind, i) =>
      kind === 'word' || kind === 'operator' ? upperAscii(lexed.text.slice(lexed.starts[i], lexed.ends[i])) : '',
    );
  }

  get kind(): TokenKind {
    return this.lexed.kinds[this.position] as TokenKind;
  }

  /** The offset of the current token. */
  get at(): number {
    return this.startOf(this.position);
  }

  /** The current token in upper case if it is a bare word or an operator, else empty. */
  get word(): string {
    return this.words[this.position] as string;
  }

  wordAfter(distance: number): string {
    return this.words[this.position + distance] ?? '';
  }

  kindAfter(distance: number): TokenKind {
    return this.lexed.kinds[this.position + distance] ?? 'end';
  }

  startOf(token: number): number {
    return this.lexed.starts[token] as number;
  }

  take(): number {
    return this.position++;
  }

  /** Takes the current token if it is this word or operator. */
  takeIf(word: string): boolean {
    if (this.word !== word) return false;
    this.position++;
    return true;
  }

  expect(word: string, where: string): void {
    if (!this.takeIf(word)) throw this.unexpected(`${word} is expected ${where}`);
  }

  /** The identifier at the current token, unquoted; null if there is none. Does not take it. */
  get name(): string | null {
    const [start, end] = [this.at, this.lexed.ends[this.position] as number];
    if (this.kind === 'quoted') return unquoted(this.lexed.text, start, end);
    return this.kind === 'word' ? this.lexed.text.slice(start, end) : null;
  }

  /** The slot of the literal or parameter at the current token, which is taken. */
  takeSlot(): Expr {
    const token = this.take();
    const at = this.startOf(token);
    const slot = this.lexed.kinds[token] === 'parameter' ? this.parameterSlot(token) : this.literalSlot(token);
    this.places.push({ token, slot });
    return this.node({ kind: 'slot', index: slot, at });
  }

  private literalSlot(token: number): number {
    // Tokens are taken in order, so the search goes on where the last one ended.
    while (this.lexed.literals[this.literal]?.token !== token) this.literal++;
    const { literal } = this;
    return this.slots.push({ kind: 'literal', token, literal, negated: false }) - 1;
  }

  /** A minus stays with its number: true if `slot` is a number literal that now holds the opposite. */
  negate(slot: Expr): boolean {
    const source = slot.kind === 'slot' ? this.slots[slot.index] : undefined;
    if (slot.kind !== 'slot' || source?.kind !== 'literal' || source.negated) return false;
    const tag = this.literalOf(slot)?.tag;
    if (tag === 't' || tag === 'b') return false;
    if (tag === 'h')
      throw this.fail('query-syntax', slot.at, 'SQLite cannot negate this number.', 'Write it in decimal.');
    this.slots[slot.index] = { ...source, negated: true };
    return true;
  }

  /** The literal a slot holds, if it holds one. */
  literalOf(slot: Expr): Literal | undefined {
    const source = slot.kind === 'slot' ? this.slots[slot.index] : undefined;
    return source?.kind === 'literal' ? this.lexed.literals[source.literal] : undefined;
  }

  /** Gives back the last slot if `expr` is just that, and holds a literal without a minus; that literal. */
  forgetLiteral(expr: Expr): Literal | null {
    const literal = this.literalOf(expr);
    const source = this.slots.at(-1);
    if (!literal || source?.kind !== 'literal' || source.negated) return null;
    this.slots.pop();
    this.places.pop();
    return literal;
  }

  get parameters(): ParameterList {
    return this.written.list;
  }

  private parameterSlot(token: number): number {
    const parameter = this.written.read(this.lexed.text, this.startOf(token), this.lexed.ends[token] as number);
    const known = this.slotOfParameter.get(parameter);
    if (known !== undefined) return known;
    this.slotOfParameter.set(parameter, this.slots.length);
    return this.slots.push({ kind: 'parameter', token, parameter }) - 1;
  }

  /** Counts `expr` in, above the nodes it is made of. `at`: the token to blame if it is one too many. */
  node<Kind extends Expr>(expr: Kind, parts: readonly Expr[] = [], at = expr.at): Kind {
    if (++this.nodes - this.uncounted > MAX_TREE_NODES) throw this.limit('nodes', MAX_TREE_NODES, at);
    let depth = 1;
    for (const part of parts) depth = Math.max(depth, 1 + (this.depths.get(part) ?? 1));
    if (depth > MAX_TREE_DEPTH) throw this.limit('levels', MAX_TREE_DEPTH, at);
    this.depths.set(expr, depth);
    return expr;
  }

  /** The next node costs nothing: a constant standing directly in an IN list. */
  discountNext(): void {
    this.uncounted++;
  }

  /** Runs `body` one level of writing deeper. */
  nested<Result>(at: number, body: () => Result): Result {
    if (++this.nesting > MAX_TREE_DEPTH) throw this.limit('levels', MAX_TREE_DEPTH, at);
    const result = body();
    this.nesting--;
    return result;
  }

  limit(what: string, limit: number, at: number): TendrilError {
    const remedy = 'Split the predicate, or use IN with a list where many values are compared.';
    return this.fail('limit-exceeded', at, `The predicate passes the limit of ${limit} ${what}.`, remedy, {
      limit,
      what,
    });
  }

  fail(code: QueryErrorCode, at: number, problem: string, remedy: string, facts = {}): TendrilError {
    return queryError({ code, text: this.lexed.text, at, problem, remedy, facts });
  }

  unsupported(at: number, problem: string, remedy: string): TendrilError {
    return this.fail('query-unsupported', at, problem, remedy);
  }

  /** The current token does not fit. */
  unexpected(problem: string): TendrilError {
    const shown =
      this.kind === 'end'
        ? 'the text ends'
        : `"${this.lexed.text.slice(this.at, this.lexed.ends[this.position])}" stands`;
    return this.fail('query-syntax', this.at, `${problem}, but ${shown} here.`, 'See docs/sql.md for the language.');
  }
}

/** SQLite folds the case of names in ASCII only. */
export function upperAscii(name: string): string {
  return name.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
