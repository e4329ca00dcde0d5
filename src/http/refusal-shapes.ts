import type { FastifyReply } from 'fastify'
import type { ParleyError } from '../errors.ts'
import { sendDetail } from './detail.ts'
import { sendOpenAiError } from './openai-error.ts'
import { sendProblem } from './problem.ts'

const openAiPaths = /^(responses|conversations|chat|embeddings|models)$/
/** OpenAI's paths that are not here: its clients are told so in words that they read. */
const otherOpenAiPaths =
  /^(completions|moderations|files|uploads|audio|images|videos|realtime|assistants|threads|batches|fine_tuning|vector_stores|containers|evals)$/

/** Sends what no route sends, in the shape of the door that its path belongs to. */
export function sendInShapeOf(path: string, reply: FastifyReply, error: ParleyError): FastifyReply {
  const [, version, first = ''] = path.split('/', 3)
  if (version !== 'v1') return sendDetail(reply, error)
  const isOpenAi = openAiPaths.test(first) || otherOpenAiPaths.test(first)
  return isOpenAi ? sendOpenAiError(reply, error) : sendProblem(reply, error)
}

/** Splits an address at its question mark. */
export function splitQuery(url: string): [path: string, query: string | undefined] {
  const mark = url.indexOf('?')
  return mark === -1 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}
