import type { ApiClient, Query } from './client'

interface Page<T> {
  readonly items: readonly T[]
  readonly next?: string
}

const maxPages = 1_000

/** Every item of a list, page by page. */
export async function everyItem<T>(api: ApiClient, path: string, query: Query = {}): Promise<readonly T[]> {
  const found: T[] = []
  let after: string | undefined
  for (let page = 0; page < maxPages; page += 1) {
    const { items, next } = await api.get<Page<T>>(path, { ...query, after })
    found.push(...items)
    if (next === undefined) break
    after = next
  }
  return found
}

const together = 8

/** Asks for each item, a few at a time; the answers stand in the order of the items. */
export async function forEach<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<readonly R[]> {
  const answers: R[] = []
  for (let start = 0; start < items.length; start += together) {
    answers.push(...(await Promise.all(items.slice(start, start + together).map(ask))))
  }
  return answers
}
