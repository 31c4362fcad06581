/**
 * How values of one type become bytes, and come back. `decode` gets what `encode` made, also after years: a codec of your
 * own changes its `type` when it changes its format. `Input` is another type where writing takes more than reading gives,
 * as with a schema that has defaults.
 *
 * Bytes are not shared: nobody changes what `encode` answered, and what `decode` answers is no view of what it was given.
 */
export interface Codec<T, Input = T> {
  /**
   * Written next to each value: `json`, `text`, `bytes` or a name of your own. A value of another type is refused on
   * reading.
   */
  readonly type: string;
  encode(value: Input): Uint8Array | Promise<Uint8Array>;
  decode(bytes: Uint8Array): T | Promise<T>;
}
