/** What `/health` of an instance answers, as JSON. */
export interface Health {
  /** Who answers. */
  readonly instance: string;
  /** Whether that is the leader, by its own knowledge. */
  readonly isLeading: boolean;
  /** Who leads, as the store shows it. */
  readonly leader: Leader | null;
  /** How far the leaders have counted. */
  readonly count: number;
}

/** Who leads. */
export interface Leader {
  readonly name: string;
  /** Where it can be reached. */
  readonly address: string;
  /** ISO 8601 */
  readonly since: string;
  /** A number that rises with every leader: the fence that its writes carry. */
  readonly term: number;
}

/** Asks an instance how it is; null when it cannot tell at this moment. */
export async function askHealth(url: string): Promise<Health | null> {
  const response = await fetch(url);
  return response.ok ? ((await response.json()) as Health) : null;
}
