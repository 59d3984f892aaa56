/** The `where` template: its values become parameters, so that nothing interpolated is ever read as SQL. */
import type { SqlInput } from './value.ts';

export class Where {
  readonly text: string;
  readonly parameters: readonly SqlInput[];

  constructor(text: string, parameters: readonly SqlInput[]) {
    this.text = text;
    this.parameters = parameters;
  }
}

/**
 * A predicate, with ORDER BY and LIMIT if wanted, whose `${values}` are bound as parameters.
 *
 *     where`origin = ${'SFO'} AND delay > ${30} ORDER BY delay DESC`
 */
export function where(strings: TemplateStringsArray, ...values: readonly SqlInput[]): Where {
  return new Where(strings.join('?'), values);
}
