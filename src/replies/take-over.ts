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
 * was stopped put it back, or ended it, and that is no crash. `canContinue` says whether its model can go on with what it said.
 */
export function beginningOf(
  reply: Pick<OpenReply, 'status' | 'attempt' | 'crashes' | 'options' | 'model' | 'tried'>,
  canContinue: boolean,
  maxCrashes: number,
): Beginning {
  const { status, attempt, crashes, options, model, tried } = reply
  const { onCrash = 'retry', maxAttempts = maxCrashes } = options
  const wasLeft = status === 'in_progress'
  // The attempt that was left is not among the crashes yet.
  const isGivenUp = wasLeft && (onCrash === 'fail' || crashes + 1 >= maxAttempts)
  if (attempt === 0 || onCrash === 'retry') return { isGivenUp, keeps: undefined }
  if (isGivenUp) return { isGivenUp, keeps: ({ said }) => said.length > 0 }
  const hasRefused = tried.some((entry) => entry.model === model && entry.cannotGoOn)
  if (onCrash !== 'continue' || !canContinue || hasRefused || isJson(options)) {
    return { isGivenUp, keeps: undefined }
  }
  return { isGivenUp, keeps: ({ said, speaker }) => speaker === model && mayGoOn(said) }
}

/**
 * Whether an attempt is on the disk before a model is asked, and not together with the first token: where a crash right
 * behind the question must be counted, or must not bring a second one. Of what was asked for before `firstOwnId`, and
 * so before this process, another one may have died within that moment.
 */
export function isClaimedFirst(
  { id, options, slotAt }: Pick<OpenReply, 'id' | 'options' | 'slotAt'>,
  keeps: Beginning['keeps'],
  firstOwnId: string,
): boolean {
  // Where something may stay, others could add to it until then.
  if (keeps || id < firstOwnId) return true
  // Whoever finds that time on it takes it for not used.
  if (slotAt !== null) return true
  return options.onCrash === 'fail' || options.maxAttempts !== undefined
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
