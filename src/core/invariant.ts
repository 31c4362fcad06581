/**
 * Thrown by {@link invariant}: a bug in leasehold or in a backend, never bad input or a failing network.
 */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * States something that must be true whatever the input and the network do. Stays on in production: a
 * coordination library that goes on after a broken assumption may grant one lock twice.
 *
 * @throws InvariantError when `condition` is false.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(`leasehold invariant broken: ${message}`);
}
