/** Optional members that are absent, instead of present and undefined as validation leaves them. */
export type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>
}
