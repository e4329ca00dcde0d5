/**
 * How far a reader of an interaction is, as it comes back with it. It says of each source of what was told how much
 * of it was: messages, changes, and the logs of replies.
 */
export interface Cursor {
  /** Of the last message that was told. */
  position: number
  /** The number of the last change that was told. */
  change: number
  /** The first reply whose log is not told to its end; what is in front of it is, but for `others`. */
  first: number
  /** The last event of that log that was told. */
  sequence: number
  /** Logs that are told further, or less far, than their place says: to an event, or to their end. */
  others: Map<number, number | 'end'>
}

/** More others than a reader can have. */
const maxOthers = 128
const pattern = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})((?:_\d{1,15}-(?:\d{1,15}|x))*)$/

export function formatCursor({ position, change, first, sequence, others }: Cursor): string {
  let text = `${position}.${change}.${first}.${sequence}`
  for (const [at, told] of others) text += `_${at}-${told === 'end' ? 'x' : told}`
  return text
}

/** Undefined where the text is no cursor that `formatCursor` gives. */
export function parseCursor(text: string): Cursor | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const [position = 0, change = 0, first = 0, sequence = 0] = match.slice(1, 5).map(Number)
  const pairs = (match[5] ?? '').split('_').slice(1)
  const others: Cursor['others'] = new Map()
  for (const pair of pairs) {
    const [at, told] = pair.split('-')
    others.set(Number(at), told === 'x' ? 'end' : Number(told))
  }
  const cursor = { position, change, first, sequence, others }
  return others.size === pairs.length && isOurs(cursor) ? cursor : undefined
}

/** What is in front of the first log that is not told to its end, and is named, is not told to its end either. */
function isOurs({ position, first, others }: Cursor): boolean {
  if (others.size > maxOthers || first < 1 || first > position + 1) return false
  return [...others].every(([at, told]) => at <= position && at !== first && (at > first || told !== 'end'))
}
