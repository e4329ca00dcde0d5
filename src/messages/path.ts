/** What an interaction's branch shares with others, and what is its own: a piece of a branch. */
export interface Segment {
  branch: number
  /** The last position that belongs to it. */
  upTo: number
}

/** Where a message stands: on the branch that it was said on first. */
export interface Place {
  branch: number
  position: number
}

/** The way of a conversation from its first message to its newest, oldest segment first. Positions rise along it. */
export type Path = Segment[]

/** What came first. */
export const trunk: Path = [own(0)]

/** The part of a branch that is its own: open to what is still to come. */
export function own(branch: number): Segment {
  return { branch, upTo: Number.POSITIVE_INFINITY }
}

/** The part of `path` up to and with `position`. */
export function pathUpTo(path: Path, position: number): Path {
  const kept: Path = []
  for (const { branch, upTo } of path) {
    if (position <= 0) break
    kept.push({ branch, upTo: Math.min(upTo, position) })
    if (upTo >= position) break
  }
  return kept
}

/** The part of `path` behind a place that it leads over; all of it for position 0. */
export function pathBehind(path: Path, { branch, position }: Place): Path {
  if (position === 0) return path
  const at = path.findIndex((segment) => segment.branch === branch)
  return path.slice(at)
}

/** Whether `path` leads over a place. */
export function covers(path: Path, { branch, position }: Place): boolean {
  return path.some((segment) => segment.branch === branch && segment.upTo >= position)
}

/**
 * The segments that may have messages between two positions, both excluded, in reading order. A segment begins
 * behind the one before it.
 */
export function segmentsBetween(path: Path, after: number, before: number, order: 'asc' | 'desc'): Path {
  const between = path.filter(({ upTo }, index) => {
    const start = path[index - 1]?.upTo ?? 0
    return upTo > after && start + 1 < before
  })
  return order === 'asc' ? between : between.toReversed()
}
