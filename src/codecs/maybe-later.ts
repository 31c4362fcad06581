/** What is there now, or promised. */
export type MaybeLater<A> = A | Promise<A>;

/** Uses a value now, or when it is there. */
export function chain<A, B>(value: MaybeLater<A>, use: (value: A) => MaybeLater<B>): MaybeLater<B> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** Other promises than those of the language become one of these. */
export function settled<A>(value: A | PromiseLike<A>): MaybeLater<A> {
  const isThenable = typeof (value as PromiseLike<A> | null | undefined)?.then === "function";
  return isThenable ? Promise.resolve(value) : (value as A);
}
