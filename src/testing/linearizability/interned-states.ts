import type { SequentialModel } from "../linearizability.ts";

/** Numbers the states of a model: equal states have one number. The initial state is 0. */
export class InternedStates<State, Operation> {
  readonly #model: SequentialModel<State, Operation>;
  readonly #numbers = new Map<string | number, number>();
  readonly #states: State[] = [];

  constructor(model: SequentialModel<State, Operation>) {
    this.#model = model;
    this.#intern(model.initial);
  }

  /** The number of the state after an operation, or -1 when the model does not allow it. */
  step(from: number, operation: Operation): number {
    const after = this.#model.step(this.stateOf(from), operation);
    return after === undefined ? -1 : this.#intern(after);
  }

  /** The state with this number. */
  stateOf(number: number): State {
    return this.#states[number] as State;
  }

  #intern(state: State): number {
    const key = this.#model.key(state);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#states.length;
    this.#numbers.set(key, number);
    this.#states.push(state);
    return number;
  }
}
