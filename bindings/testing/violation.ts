/** Violation: a simulated world is not as it should be. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly seed: number;
  readonly violations: readonly string[];

  constructor(seed: number, violations: readonly string[]) {
    super(`With seed ${seed}:\n${violations.join('\n')}`);
    this.seed = seed;
    this.violations = violations;
  }
}
