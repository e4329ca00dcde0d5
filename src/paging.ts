/** What a list was asked for: `limit` items behind (`after`) or in front of (`before`) the item of that id. */
export interface PageRequest {
  limit: number
  order: 'asc' | 'desc'
  after?: string | undefined
  before?: string | undefined
}

export interface Page<Item> {
  data: Item[]
  hasMore: boolean
  /** The cursor of the following page in the same direction; null where this was the last one. */
  next: string | null
}

/** Whether a page is read against its order: the items right in front of `before`. */
export function readsBackwards({ after, before }: PageRequest): boolean {
  return before !== undefined && after === undefined
}

/** The order to read rows in, so that the first `limit` of them are the page. */
export function readingOrder(request: PageRequest): 'asc' | 'desc' {
  if (!readsBackwards(request)) return request.order
  return request.order === 'asc' ? 'desc' : 'asc'
}

/** Makes a page of rows that were read in `readingOrder`, one more than asked for where there are more. */
export function pageOf<Item extends { id: string }>(rows: Item[], request: PageRequest): Page<Item> {
  const hasMore = rows.length > request.limit
  const data = rows.slice(0, request.limit)
  const next = hasMore ? (data.at(-1)?.id ?? null) : null
  return { data: readsBackwards(request) ? data.toReversed() : data, hasMore, next }
}
