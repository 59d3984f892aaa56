/**
 * The tokens of a whole statement, and its pieces as SQL of their own.
 *
 * Invariants
 *   - parentheses match, at most MAX_STATEMENT_DEPTH deep, and nothing follows a semicolon;
 *   - a piece means in SQLite what it means where it stood: each parameter keeps its value under a new number, and a
 *     name in double quotes is written in backticks, so that no build reads one that resolves to nothing as a string.
 */
import type { TendrilError } from '../../errors.ts';
import { MAX_STATEMENT_DEPTH } from '../limits.ts';
import type { Lexed, TokenKind } from '../parse/lexer.ts';
import { unquoted } from '../parse/lexer-literal.ts';
import { type ParameterList, WrittenParameters } from '../parse/parameter-list.ts';
import { upperAscii } from '../parse/parse-cursor.ts';
import { type QueryErrorCode, queryError } from '../query-error.ts';

/** SQL that stands alone. Its `?1` takes the value of the statement's parameter `uses[0]`, and so on. */
export interface Piece {
  readonly sql: string;
  readonly uses: readonly (number | string)[];
}

/** `to` is exclusive. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

export class StatementTokens {
  readonly lexed: Lexed;
  /** Tokens before the end or the final semicolon. */
  readonly count: number;
  readonly parameters: ParameterList;
  private readonly words: readonly string[];
  private readonly closings: ReadonlyMap<number, number>;
  private readonly parameterAt = new Map<number, number | string>();

  constructor(lexed: Lexed) {
    this.lexed = lexed;
    this.words = lexed.kinds.map((kind, i) =>
      kind === 'word' || kind === 'operator' ? upperAscii(lexed.text.slice(lexed.starts[i], lexed.ends[i])) : '',
    );
    this.count = this.countTokens();
    this.closings = this.match();
    const written = new WrittenParameters();
    lexed.kinds.forEach((kind, i) => {
      if (kind === 'parameter') this.parameterAt.set(i, written.read(lexed.text, this.start(i), this.end(i)));
    });
    this.parameters = written.list;
  }

  /** In upper case if it is a bare word or an operator, else empty. */
  word(token: number): string {
    return token < this.count ? (this.words[token] ?? '') : '';
  }

  kind(token: number): TokenKind {
    return token < this.count ? (this.lexed.kinds[token] as TokenKind) : 'end';
  }

  start(token: number): number {
    return this.lexed.starts[token] as number;
  }

  end(token: number): number {
    return this.lexed.ends[token] as number;
  }

  /** The identifier at `token`, unquoted; null if it is none. A keyword counts as one. */
  name(token: number): string | null {
    if (this.kind(token) === 'quoted') return unquoted(this.lexed.text, this.start(token), this.end(token));
    return this.kind(token) === 'word' ? this.lexed.text.slice(this.start(token), this.end(token)) : null;
  }

  /** As `name`; SQLite takes a string for an alias too. */
  alias(token: number): string | null {
    const literal = this.lexed.literals.find((one) => one.token === token && one.tag === 't');
    return literal ? (literal.value as string) : this.name(token);
  }

  /** The parenthesis that closes the one at `token`. */
  closing(token: number): number {
    return this.closings.get(token) as number;
  }

  /** The token after `token`, or after the whole parenthesis that opens there. */
  after(token: number): number {
    return this.word(token) === '(' ? this.closing(token) + 1 : token + 1;
  }

  /** Several ranges with text of ours between them: one more fixed text than ranges. */
  piece(texts: readonly string[], ranges: readonly TokenRange[]): Piece {
    const uses = new Map<number | string, number>();
    let sql = texts[0] as string;
    ranges.forEach((range, i) => {
      sql += this.rewritten(range, uses) + texts[i + 1];
    });
    return { sql, uses: [...uses.keys()] };
  }

  private rewritten({ from, to }: TokenRange, uses: Map<number | string, number>): string {
    if (from >= to) return '';
    const { text } = this.lexed;
    let sql = '';
    let copied = this.start(from);
    for (let token = from; token < to; token++) {
      const spelled = this.respelled(token, uses);
      if (spelled === null) continue;
      sql += text.slice(copied, this.start(token)) + spelled;
      copied = this.end(token);
    }
    return sql + text.slice(copied, this.end(to - 1));
  }

  /** Null for a token that stays as written. `uses` numbers the parameters met so far. */
  private respelled(token: number, uses: Map<number | string, number>): string | null {
    const parameter = this.parameterAt.get(token);
    if (parameter !== undefined) {
      if (!uses.has(parameter)) uses.set(parameter, uses.size + 1);
      return `?${uses.get(parameter)}`;
    }
    if (this.kind(token) !== 'quoted' || this.lexed.text[this.start(token)] !== '"') return null;
    return `\`${(this.name(token) as string).replaceAll('`', '``')}\``;
  }

  /** As it stands in the text. */
  textOf({ from, to }: TokenRange): string {
    return this.lexed.text.slice(this.start(from), this.end(to - 1));
  }

  fail(code: QueryErrorCode, token: number, problem: string, remedy: string, facts = {}): TendrilError {
    const at = this.start(Math.min(token, this.lexed.starts.length - 1));
    return queryError({ code, text: this.lexed.text, at, problem, remedy, facts });
  }

  unsupported(token: number, problem: string, remedy: string): TendrilError {
    return this.fail('query-unsupported', token, problem, remedy);
  }

  private countTokens(): number {
    const end = this.lexed.kinds.length - 1;
    const semicolon = this.words.indexOf(';');
    if (semicolon < 0) return end;
    const second = this.words.findIndex((word, i) => i > semicolon && i < end && word !== ';');
    if (second < 0) return semicolon;
    throw this.unsupported(
      second,
      'There is more than one statement.',
      'Pass one at a time; use transact() for several.',
    );
  }

  private match(): ReadonlyMap<number, number> {
    const closings = new Map<number, number>();
    const open: number[] = [];
    for (let token = 0; token < this.count; token++) {
      if (this.words[token] === '(') {
        open.push(token);
        if (open.length > MAX_STATEMENT_DEPTH) {
          const facts = { limit: MAX_STATEMENT_DEPTH };
          const problem = `Parentheses stand at most ${MAX_STATEMENT_DEPTH} deep.`;
          throw this.fail('limit-exceeded', token, problem, 'Name inner parts with WITH.', facts);
        }
      } else if (this.words[token] === ')') {
        const from = open.pop();
        if (from === undefined) throw this.unbalanced(token, 'This parenthesis closes none.');
        closings.set(from, token);
      }
    }
    const unclosed = open.pop();
    if (unclosed !== undefined) throw this.unbalanced(unclosed, 'This parenthesis is not closed.');
    return closings;
  }

  private unbalanced(token: number, problem: string): TendrilError {
    return this.fail('query-syntax', token, problem, 'Balance the parentheses.');
  }
}
