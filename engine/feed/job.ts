/** Job: something that is said in several turns. */
export interface Job {
  /** Says the next part, or does what must be done before. False when there is nothing to say any more. */
  readonly advance: () => boolean;
}
