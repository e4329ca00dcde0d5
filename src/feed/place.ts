import { type Cursor, formatCursor } from './cursor.ts'

/** Logs that are read at the same time. One reply is made at a time, but any that waits may be cancelled. */
export const maxNear = 16
/** Replies that are made again while later ones were made already; their places are in every cursor. */
export const maxLate = 64

/** The log of a reply, and how far it was told. */
export interface LogPlace {
  replyId: string
  /** The last event that was told. */
  sequence: number
  isTold: boolean
  /** Whether more events may come than are there, as far as is known. */
  isOpen: boolean
}

/** A reply whose log is to be read. */
export interface Unread {
  position: number
  replyId: string
  isOpen: boolean
}

/**
 * Where a reader of an interaction is. Replies are made in the order of their positions, so that one number says
 * nearly all: `first`. Bounded, however many replies wait.
 */
export function createPlace({ position, change, first }: Pick<Cursor, 'position' | 'change' | 'first'>) {
  /** By position, in its order: what is read now, with what was told to its end behind the first of it. */
  const near = new Map<number, LogPlace>()
  /** Replies in front of those that are made once more. */
  const late = new Map<number, LogPlace>()
  const place = { position, change }
  /** Every reply in front of it is near, or told. */
  let known = first

  function firstUnread(): number {
    for (const [at, log] of near) {
      if (!log.isTold) return at
      near.delete(at)
    }
    return known
  }

  function addNear({ position: at, replyId, isOpen }: Unread, told: number | 'end' = 0) {
    near.set(at, { replyId, sequence: told === 'end' ? 0 : told, isTold: told === 'end', isOpen })
    known = at + 1
  }

  return {
    get position() {
      return place.position
    },
    get change() {
      return place.change
    },

    /** As what comes next is told with it. */
    get cursor(): string {
      const at = firstUnread()
      const others: Cursor['others'] = new Map()
      for (const [each, { sequence }] of late) others.set(each, sequence)
      for (const [each, { sequence, isTold }] of near) {
        if (each !== at && (isTold || sequence > 0)) others.set(each, isTold ? 'end' : sequence)
      }
      return formatCursor({ ...place, first: at, sequence: near.get(at)?.sequence ?? 0, others })
    },

    /** The logs to read, in the order in which they are told. */
    logs(): Array<[number, LogPlace]> {
      return [...late, ...near].filter(([, { isTold }]) => !isTold)
    },

    /** Which replies are to be found: those behind `after`, at most `limit` of them. */
    get missing(): { after: number; to: number; limit: number } | undefined {
      firstUnread()
      if (known > place.position || near.size >= maxNear) return undefined
      return { after: known - 1, to: place.position, limit: maxNear - near.size }
    },

    /** Takes up what was found of the `missing`; `told` says how far some of them are. */
    found(replies: Unread[], limit: number, told: Cursor['others'] = new Map()) {
      for (const reply of replies) addNear(reply, told.get(reply.position))
      if (replies.length < limit) known = place.position + 1
    },

    /** Takes up a reply that is made again, or was when the cursor was made. */
    addLate({ position: at, replyId, isOpen }: Unread, sequence: number) {
      late.set(at, { replyId, sequence, isTold: false, isOpen })
    },

    /** The messages up to `at` were told; `reply` is the last of them, if it is one. */
    tellTo(at: number, reply?: Unread) {
      firstUnread()
      const knewAll = known > place.position
      place.position = at
      if (!knewAll) return
      if (!reply) known = at + 1
      else if (near.size < maxNear) addNear(reply)
    },

    tellChange(sequence: number) {
      place.change = sequence
    },

    /** Nothing more is read of the reply at `at`. */
    end(at: number) {
      late.delete(at)
      const log = near.get(at)
      if (log) log.isTold = true
    },

    /** The log of a reply goes on behind `sequence`, up to which it was told if it was told to an end. */
    reopen(reply: Unread, sequence: number) {
      const { position: at } = reply
      const log = near.get(at)
      if (log?.isTold) near.set(at, { ...log, sequence, isTold: false, isOpen: true })
      else if (!log && !late.has(at) && at < known) this.addLate(reply, sequence)
    },

    /** Whether the log of the reply at `at` is not told to its end. */
    isUnread: (at: number) => late.has(at) || near.get(at)?.isTold === false || at >= known,

    get hasRoom() {
      return late.size < maxLate
    },
  }
}

export type Place = ReturnType<typeof createPlace>
