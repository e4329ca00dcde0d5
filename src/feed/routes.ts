import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemAnswers, uuidParams } from '../http/answers.ts'
import type { Streams } from '../http/streams.ts'
import { invalid } from '../http/validation.ts'
import { parseCursor } from './cursor.ts'
import type { FeedEvent } from './event.ts'
import type { Feed } from './feed.ts'
import { feedFrames } from './frames.ts'
import type { Place } from './place.ts'
import { feedHeaders, feedQuery } from './schemas.ts'

/** Following an interaction. */
export function feedRoutes(app: FastifyInstance, parts: { feed: Feed; streams: Streams }) {
  const { feed, streams } = parts
  app.withTypeProvider<ZodTypeProvider>().get(
    '/v1/interactions/:id/events',
    {
      schema: {
        tags: ['Interactions'],
        summary: 'Follow an interaction',
        description:
          'An event stream (SSE) of all that happens in it: messages, the events of every reply, changes and ' +
          'deletions, from now on, until the interaction is deleted. Resume from any event with `Last-Event-ID`.',
        params: uuidParams,
        querystring: feedQuery,
        headers: feedHeaders,
        response: {
          200: { description: 'The events.', content: { 'text/event-stream': { schema: z.string() } } },
          ...problemAnswers('not_found', 'events_expired', 'server_busy', 'server_stopping'),
        },
      },
    },
    async ({ principal: { ownerId }, params: { id }, query, headers }, reply) => {
      streams.mayOpen()
      const given = headers['last-event-id'] ?? query.after
      const place = await feed.begin(ownerId, id, beginningOf(given))
      if (!place) throw ofAnother(headers['last-event-id'] === undefined ? 'after' : 'last-event-id')
      return streams.send(reply, (signal) => {
        const events = feed.follow(ownerId, id, place, signal)
        return feedFrames(given === undefined ? opened(id, place, events) : events)
      })
    },
  )
}

function beginningOf(given: string | undefined) {
  if (given === undefined) return 'now'
  return parseCursor(given) ?? 'whole'
}

/** A reader that begins now has a place at once: what happens while it is cut off before its first event is not lost. */
async function* opened(
  id: string,
  place: Place,
  events: AsyncIterable<FeedEvent[]>,
): AsyncGenerator<FeedEvent[]> {
  yield [{ type: 'stream.opened', data: { interaction_id: id }, cursor: place.cursor }]
  yield* events
}

function ofAnother(field: 'after' | 'last-event-id') {
  const message = 'is no id of an event of this interaction'
  return invalid([{ in: field === 'after' ? 'query' : 'header', field, message }])
}
