import type { ContentPart } from '../messages/content.ts'
import { textOf } from '../messages/content.ts'
import type { OpenReply } from './open-store.ts'

/** What readers were told of a reply, and keep, and the model that said it. */
export interface Told {
  said: ContentPart[]
  speaker: string | undefined
}

/** How an attempt begins at a reply that may have been begun before. */
export interface Beginning {
  /** No model is asked: it was left by a crash once too often, or must not be asked for twice. */
  isGivenUp: boolean
  /** Whether what readers were told before stays; it is not read where nothing could stay. */
  keeps: ((told: Told) => boolean) | undefined
}

/**
 * What an attempt does with those before it. One that ended with its process left the reply `in_progress`; one that
 * was stopped put it back, and that is no crash. `canContinue` says whether its model can go on with what it said.
 */
export function beginningOf(
  reply: Pick<OpenReply, 'status' | 'attempt' | 'crashes' | 'options' | 'model'>,
  canContinue: boolean,
  maxCrashes: number,
): Beginning {
  const { status, attempt, crashes, options, model } = reply
  const { onCrash = 'retry', maxAttempts = maxCrashes } = options
  const wasLeft = status === 'in_progress'
  // The attempt that was left is not among the crashes yet.
  const isGivenUp = wasLeft && (onCrash === 'fail' || crashes + 1 >= maxAttempts)
  if (attempt === 0 || onCrash === 'retry') return { isGivenUp, keeps: undefined }
  if (isGivenUp) return { isGivenUp, keeps: ({ said }) => said.length > 0 }
  if (onCrash !== 'continue' || !canContinue || isJson(options)) return { isGivenUp, keeps: undefined }
  return { isGivenUp, keeps: ({ said, speaker }) => speaker === model && mayGoOn(said) }
}

/** Who holds a model to JSON has it begin with a whole value, wherever it is to go on. */
function isJson({ responseFormat }: OpenReply['options']): boolean {
  return responseFormat !== undefined && responseFormat.type !== 'text'
}

const plain = new Set<string>(['text', 'reasoning', 'compaction'])

/** A model can go on with a text; not with a call of a tool, a refusal, or thoughts alone. */
function mayGoOn(said: ContentPart[]): boolean {
  return textOf(said).trim() !== '' && said.every(({ type }) => plain.has(type))
}
