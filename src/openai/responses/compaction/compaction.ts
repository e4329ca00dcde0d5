import { isNotFound, isRemoved, ParleyError } from '../../../errors.ts'
import type { Interactions } from '../../../interactions/interactions.ts'
import { type CompactionPart, type ContentPart, partsOf, textOf } from '../../../messages/content.ts'
import type { Turn } from '../../../messages/history.ts'
import { isOpen, type Message } from '../../../messages/message.ts'
import type { Messages, Way } from '../../../messages/messages.ts'
import { estimateTextTokens, estimateTokens } from '../../../messages/tokens.ts'
import type { NewMessage } from '../../../replies/post.ts'
import type { AskedReply, Replies } from '../../../replies/replies.ts'
import { compactionOf, summaryRequest } from '../../../replies/summing-up.ts'
import { openAiId } from '../../ids.ts'
import { itemFinder } from '../find-item.ts'
import type { ResponseInput } from '../input.ts'
import { noPrevious } from '../origin.ts'
import type { CountRequest } from '../request.ts'
import type { Responses } from '../responses.ts'
import { saidIn } from '../said.ts'

const pageSize = 100
/** Of what a client names without sending it. */
const maxMessages = 2_000
const keptMs = 7_200_000
const maxWaitMs = 2 ** 31 - 1

/** What is said of a conversation without being said in it: how long it is, and what it comes to. */
export function createCompaction(parts: {
  interactions: Pick<Interactions, 'create' | 'find' | 'remove'>
  messages: Pick<Messages, 'find' | 'list'>
  replies: Pick<Replies, 'findAsked' | 'mayPost' | 'postIn' | 'waitForEnd'>
  responses: Pick<Responses, 'originOf'>
}) {
  const { interactions, messages, replies, responses } = parts

  /** What a model would be given, oldest first. */
  async function windowOf(
    ownerId: string,
    { way, previous }: { way: Way | undefined; previous: Message | undefined },
    input: ResponseInput | null | undefined,
  ): Promise<NewMessage[]> {
    const before = way ? await historyOf(way, previous) : []
    const said = input ? await saidIn(input, itemFinder(messages, ownerId)) : []
    const all = [...before.map(({ role, content }) => ({ role, content })), ...said]
    return all.slice(Math.max(0, all.findLastIndex(isSummedUp)))
  }

  async function historyOf(way: Way, upTo: Message | undefined): Promise<Message[]> {
    const history: Message[] = upTo ? [upTo] : []
    let after = upTo?.id
    for (;;) {
      const { data, hasMore } = await messages.list(way, { limit: pageSize, order: 'desc', after })
      history.push(...data)
      after = data.at(-1)?.id
      if (!hasMore) return history.filter(isSaid).toReversed()
      if (history.length >= maxMessages) throw tooLong()
    }
  }

  /** An estimate of the tokens of a request. */
  async function count(ownerId: string, asked: CountRequest): Promise<number> {
    const window = await windowOf(ownerId, await responses.originOf(ownerId, asked), asked.input)
    const { instructions, tools, text } = asked
    const beside = [
      instructions ?? '',
      tools?.length ? JSON.stringify(tools) : '',
      text?.format ? JSON.stringify(text.format) : '',
    ]
    return (
      window.reduce((tokens, { content }) => tokens + tokensOf(content), 0) +
      beside.reduce((tokens, each) => tokens + (each === '' ? 0 : estimateTextTokens(each)), 0)
    )
  }

  /** Has a model sum up what was said, and resolves with the reply; what it took to ask is removed. */
  async function compact(
    ownerId: string,
    asked: Pick<CountRequest, 'input' | 'instructions' | 'previous_response_id'> & { model: string },
    signal: AbortSignal,
  ): Promise<AskedReply & { compaction: CompactionPart | undefined }> {
    const { way, previous } = await responses.originOf(ownerId, asked)
    const origin = { way, previous: previous && (await whenEnded(ownerId, previous.id, signal)) }
    const window = await windowOf(ownerId, origin, asked.input)
    if (window.length === 0) throw nothing()
    replies.mayPost({ wantsReply: true })
    const turn = {
      said: [...window, summaryRequest],
      wantsReply: true,
      model: asked.model,
      // A summary of a part would pass for one of the whole.
      options: {
        truncation: 'disabled' as const,
        ...(typeof asked.instructions === 'string' && { prompt: asked.instructions }),
      },
    }
    let replyId = ''
    const { id } = await interactions.create(
      ownerId,
      { model: asked.model },
      {
        keptMs,
        also: async (tx, interaction) => {
          replyId = (await replies.postIn(tx, ownerId, interaction.id, turn)).reply?.id ?? ''
        },
      },
    )
    try {
      await replies.waitForEnd(ownerId, replyId, maxWaitMs, signal)
      const made = await replies.findAsked(ownerId, replyId)
      if (isOpen(made.reply.making.status)) throw stopping()
      return { ...made, compaction: compactionFrom(made, window) }
    } finally {
      await interactions.remove(ownerId, id)
    }
  }

  /** An answer that is still being made would not be in the summary. */
  async function whenEnded(ownerId: string, id: string, signal: AbortSignal): Promise<Message> {
    const message = await replies.waitForEnd(ownerId, id, maxWaitMs, signal).catch((error: unknown) => {
      throw isRemoved(error) || isNotFound(error) ? noPrevious(openAiId('resp_', id)) : error
    })
    if (message.making && isOpen(message.making.status)) throw stopping()
    return message
  }

  return { count, compact }
}

/** What stands for `window` from now on; undefined where it was not summed up to the end. */
function compactionFrom({ reply }: AskedReply, window: NewMessage[]): CompactionPart | undefined {
  const summary = textOf(reply.content)
  if (reply.making.status !== 'completed' || summary === '') return undefined
  return compactionOf(window.map(turnOf), summary)
}

/** Whether a model is told of it, as of what it answers: what came to nothing was not said. */
function isSaid({ content, making }: Message): boolean {
  return content.length > 0 && making?.status !== 'failed' && !(making && isOpen(making.status))
}

/** Whether it stands for all that was said before it. */
function isSummedUp({ content: [first] }: Pick<NewMessage, 'content'>): boolean {
  return typeof first === 'object' && first.type === 'compaction'
}

function turnOf({ role, content }: NewMessage): Turn {
  return { role, content: partsOf(content), tokens: 0 }
}

function tokensOf(content: string | ContentPart[]): number {
  return typeof content === 'string' ? estimateTextTokens(content) : estimateTokens(content)
}

function stopping(): ParleyError {
  return new ParleyError('server_stopping', 'The server is stopping.', { retryAfterMs: 1_000 })
}

function nothing(): ParleyError {
  const message = 'is required'
  return new ParleyError('invalid_request', 'input: there is nothing to compact', {
    fields: [{ in: 'body', field: 'input', message }],
  })
}

function tooLong(): ParleyError {
  const message = `goes on behind more than ${maxMessages} messages`
  return new ParleyError('invalid_request', `previous_response_id ${message}`, {
    fields: [{ in: 'body', field: 'previous_response_id', message }],
  })
}
