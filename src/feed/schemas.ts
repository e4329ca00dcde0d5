import { z } from 'zod'
import { parseCursor } from './cursor.ts'

/** Longer than any that the server gives. */
const maxCursorChars = 3_000

const cursor = z
  .string()
  .max(maxCursorChars)
  .refine((text) => text === '0' || parseCursor(text) !== undefined, { error: 'is no id of an event' })

/** `GET /v1/interactions/{id}/events` */
export const feedQuery = z.strictObject({
  after: cursor.optional().meta({
    description: 'Only what followed the event of this id, as `Last-Event-ID`; `0` for all that is kept.',
    examples: ['0'],
  }),
})

export const feedHeaders = z.looseObject({
  'last-event-id': cursor.optional().meta({
    description: 'The id of the last event that was received; stands above `after`.',
    examples: ['0'],
  }),
})
